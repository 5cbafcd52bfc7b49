import { useApi, useApiChange } from '@/api/hooks';
import { useGo, usePathParam } from '@/app/navigate';
import { Failure, Loading, Page, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { AccountForm } from './AccountForm';

/** Name and groups of an account for scripts. */
export default function EditAdminAccount() {
  const t = useTexts();
  const go = useGo();
  const notify = useNotify();
  const id = usePathParam('id');
  const account = useApi('getPerson', { id, includeGroups: true });
  const save = useApiChange('updatePersonV2', { changes: ['findPeople', 'getPerson', 'findGroups'] });
  return (
    <Page
      title={t.people.editAccountTitle(account.data?.name ?? '')}
      breadcrumbs={[{ label: t.people.accounts, to: '/admin-service-accounts' }]}
    >
      <Failure error={account.error} onRetry={() => void account.refetch()} />
      {account.isPending && <Loading />}
      {account.data && (
        <AccountForm
          key={id}
          name={account.data.name ?? ''}
          groups={account.data.groups.map((group) => group.id)}
          submitLabel={t.common.save}
          busy={save.isPending}
          saved={save.isSuccess}
          error={save.error}
          onSubmit={(name, groups) =>
            save.mutate(
              { params: { id }, body: { version: account.data.version ?? 0, name, groups } },
              {
                onSuccess() {
                  notify.success(t.people.accountSaved(name));
                  void go('/admin-service-accounts');
                },
              },
            )
          }
        />
      )}
    </Page>
  );
}
