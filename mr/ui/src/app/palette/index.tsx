/** Jump to anything by typing. The dialog itself is loaded when it is first wanted. */
import { useHotkeys } from '@mantine/hooks';
import { lazy, Suspense, useSyncExternalStore } from 'react';

const Dialog = lazy(() => import('./PaletteDialog'));

let opened = false;
const listeners = new Set<() => void>();

function become(next: boolean): void {
  opened = next;
  for (const listener of listeners) listener();
}

export function openPalette(): void {
  become(true);
}

/** Mounted once, by the frame. Ctrl-K works while somebody types, too. */
export function Palette() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => opened,
  );
  useHotkeys([['mod+K', () => become(!opened)]], []);
  if (!shown) return null;
  return (
    <Suspense fallback={null}>
      <Dialog onClose={() => become(false)} />
    </Suspense>
  );
}
