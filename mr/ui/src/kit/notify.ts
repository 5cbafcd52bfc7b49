import { notifications } from '@mantine/notifications';
import { useMemo } from 'react';
import { useTexts } from '@/texts';
import { wordsOf } from './Failure';

/** Short messages at the edge of the window. Failures stay until they are closed. */
export function useNotify() {
  const t = useTexts();
  return useMemo(
    () => ({
      success(message: string) {
        notifications.show({ message, color: 'teal', autoClose: 4000, withBorder: true });
      },
      failure(error: unknown) {
        const words = wordsOf(error, t);
        const message = [words.detail, words.hint].filter(Boolean).join(' ');
        notifications.show({ title: words.title, message, color: 'red', autoClose: false, withBorder: true });
      },
    }),
    [t],
  );
}
