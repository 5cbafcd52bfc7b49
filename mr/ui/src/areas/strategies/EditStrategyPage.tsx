import { Stack, Text } from '@mantine/core';
import { useMemo } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { Application, ApplicationRolloutStrategy } from '@/api/schema';
import { useGo, useSearchParams } from '@/app/navigate';
import { useMe } from '@/app/session';
import { Diff, Failure, Loading, Page, useNotify } from '@/kit';
import { ForApplication } from '@/kit/ForApplication';
import { useTexts } from '@/texts';
import { strategyWords } from '../features/strategies';
import { bodyOf, draftOf } from './body';
import { strategyRights } from './rights';
import { StrategyPage } from './StrategyPage';
import { STRATEGY_LISTS, usedBy } from './usage';

/** An existing strategy of the application. */
export default function EditStrategyPage() {
  const search = useSearchParams();
  const id = search.strategy ?? search.id ?? '';
  return (
    <ForApplication alone>
      {(application) => <Edit key={`${application.id} ${id}`} application={application} id={id} />}
    </ForApplication>
  );
}

function Edit({ application, id }: { application: Application; id: string }) {
  const t = useTexts();
  const words = t.strategies;
  const query = useApi('getApplicationStrategy', { appId: application.id, appStrategyId: id });
  const title = query.data === undefined ? words.title : words.editTitle(query.data.name);
  return (
    <Page title={title} breadcrumbs={[{ label: words.title, to: '/application-strategies' }]}>
      {query.isPending && <Loading />}
      {query.error && <Failure error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && <Editor application={application} strategy={query.data} />}
    </Page>
  );
}


function Editor({ application, strategy }: { application: Application; strategy: ApplicationRolloutStrategy }) {
  const t = useTexts();
  const go = useGo();
  const notify = useNotify();
  const rights = strategyRights(useMe(), application);
  const initial = useMemo(() => draftOf(strategy), [strategy]);
  const listed = useApi('listApplicationStrategies', { appId: application.id, filter: strategy.name, includeUsage: true, max: 1000 });
  const uses = usedBy(listed.data?.items.find((each) => each.strategy.id === strategy.id));
  const update = useApiChange('updateApplicationStrategy', { changes: STRATEGY_LISTS });
  const words = t.features.strategy;
  return (
    <StrategyPage
      initial={initial}
      readOnly={!rights.edit}
      submitLabel={t.common.save}
      onSave={async (draft) => {
        const params = { appId: application.id, appStrategyId: strategy.id };
        await update.mutateAsync({ params, body: bodyOf(draft, strategy.percentage) });
        notify.success(t.strategies.changed(draft.name.trim()));
        await go('/application-strategies');
      }}
      review={(draft) =>
        uses === 0
          ? null
          : {
              title: t.strategies.saveTitle(strategy.name),
              text: (
                <Stack gap="xs">
                  <Text size="sm">{t.strategies.saveText(uses)}</Text>
                  <Diff before={strategyWords(words, initial)} after={strategyWords(words, draft)} label={strategy.name} />
                </Stack>
              ),
            }
      }
    />
  );
}
