import { Text } from '@mantine/core';
import { useApiChange } from '@/api/hooks';
import type { CacheRefreshRequestInput } from '@/api/schema';
import { ConfirmDialog, useNotify } from '@/kit';
import { useTexts } from '@/texts';

interface VerifyDialogProps {
  title: string;
  request: CacheRefreshRequestInput;
  onClose: () => void;
}

/** Has what is delivered worked out again: of an application, of portfolios, or all of it. For superusers. */
export function VerifyDialog({ title, request, onClose }: VerifyDialogProps) {
  const t = useTexts();
  const notify = useNotify();
  const verify = useApiChange('cacheRefresh');
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      danger={false}
      title={title}
      confirmLabel={t.portfolios.verify}
      onConfirm={async () => {
        const done = await verify.mutateAsync({ body: request });
        notify.success(t.portfolios.verified(done.environmentsRefreshed, done.serviceAccountsRefreshed));
      }}
    >
      <Text size="sm">{t.portfolios.verifyText}</Text>
    </ConfirmDialog>
  );
}
