import { useState } from 'react';
import { useApiChange } from '@/api/hooks';
import { useGo } from '@/app/navigate';
import { Page } from '@/kit';
import { useTexts } from '@/texts';
import { AccountForm } from './AccountForm';
import { TokenDialog } from './TokenDialog';

/** A new account for scripts; its token is shown once. */
export default function CreateAdminAccount() {
  const t = useTexts();
  const go = useGo();
  const [made, setMade] = useState<{ name: string; token: string } | null>(null);
  const create = useApiChange('createPerson', { changes: ['findPeople', 'findGroups'] });
  return (
    <Page
      title={t.people.createAccountTitle}
      breadcrumbs={[{ label: t.people.accounts, to: '/admin-service-accounts' }]}
    >
      <AccountForm
        name=""
        groups={[]}
        submitLabel={t.common.create}
        busy={create.isPending}
        saved={create.isSuccess}
        error={create.error}
        onSubmit={(name, groupIds) =>
          create.mutate(
            { params: {}, body: { name, personType: 'serviceAccount', groupIds } },
            { onSuccess: ({ token }) => setMade({ name, token }) },
          )
        }
      />
      <TokenDialog
        name={made?.name ?? ''}
        token={made?.token ?? null}
        onClose={() => void go('/admin-service-accounts')}
      />
    </Page>
  );
}
