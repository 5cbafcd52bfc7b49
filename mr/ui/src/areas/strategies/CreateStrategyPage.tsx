import { useState } from 'react';
import { useApiChange } from '@/api/hooks';
import type { Application } from '@/api/schema';
import { useGo } from '@/app/navigate';
import { useMe } from '@/app/session';
import { Page, useNotify } from '@/kit';
import { ForApplication } from '@/kit/ForApplication';
import { useTexts } from '@/texts';
import { newStrategy } from '../features/strategies';
import { bodyOf } from './body';
import { strategyRights } from './rights';
import { StrategyPage } from './StrategyPage';
import { STRATEGY_LISTS } from './usage';

/** A new strategy of the application. */
export default function CreateStrategyPage() {
  const t = useTexts().strategies;
  return (
    <Page title={t.createTitle} breadcrumbs={[{ label: t.title, to: '/application-strategies' }]}>
      <ForApplication>{(application) => <Create key={application.id} application={application} />}</ForApplication>
    </Page>
  );
}

function Create({ application }: { application: Application }) {
  const t = useTexts();
  const go = useGo();
  const notify = useNotify();
  const me = useMe();
  const [initial] = useState(newStrategy);
  const create = useApiChange('createApplicationStrategy', { changes: STRATEGY_LISTS });
  return (
    <StrategyPage
      initial={initial}
      readOnly={!strategyRights(me, application).create}
      submitLabel={t.common.create}
      onSave={async (draft) => {
        await create.mutateAsync({ params: { appId: application.id }, body: bodyOf(draft) });
        notify.success(t.strategies.created(draft.name.trim()));
        await go('/application-strategies');
      }}
    />
  );
}
