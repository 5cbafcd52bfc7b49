import { Anchor, Stack, Text } from '@mantine/core';
import type { OperationId } from '@/api/client';
import { useApiChange } from '@/api/hooks';
import { AppLink } from '@/app/navigate';
import { ConfirmDialog, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import type { ResetKeyType, ServiceAccount } from './wire';

/** Whatever shows service accounts. */
export const ACCOUNT_LISTS: readonly OperationId[] = [
  'searchServiceAccountsInPortfolio',
  'getServiceAccount',
  'findFeatureFilters',
  'summaryApplication',
  'getMatchingFilters',
];

export function DeleteAccount({ account, onClose }: { account: ServiceAccount; onClose: () => void }) {
  const t = useTexts();
  const notify = useNotify();
  const remove = useApiChange('deleteServiceAccount', { changes: ACCOUNT_LISTS });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={t.accounts.deleteTitle(account.name)}
      confirmLabel={t.common.delete}
      typed={account.name}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { id: account.id } });
        notify.success(t.accounts.deleted(account.name));
      }}
    >
      <Text size="sm">{t.accounts.deleteText}</Text>
    </ConfirmDialog>
  );
}

interface ResetKeyProps {
  account: ServiceAccount;
  which: ResetKeyType;
  onClose: () => void;
}

/** Replaces one of an account's keys. The name is typed first: programs may be cut off. */
export function ResetKey({ account, which, onClose }: ResetKeyProps) {
  const t = useTexts();
  const notify = useNotify();
  const reset = useApiChange('resetApiKey', { changes: ACCOUNT_LISTS });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={t.accounts.resetTitle(account.name)}
      confirmLabel={t.accounts.resetConfirm}
      typed={account.name}
      onConfirm={async () => {
        await reset.mutateAsync({ params: { id: account.id, apiKeyType: which } });
        notify.success(t.accounts.reset);
      }}
    >
      <Stack gap="xs">
        <Text size="sm">{which === 'client_eval_only' ? t.accounts.resetClientText : t.accounts.resetServerText}</Text>
        <Anchor component={AppLink} to="/api-keys" search={{ q: account.name }} size="sm">
          {t.accounts.toKeys}
        </Anchor>
      </Stack>
    </ConfirmDialog>
  );
}
