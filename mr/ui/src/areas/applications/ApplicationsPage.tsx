import { Button, SimpleGrid, Text } from '@mantine/core';
import { IconBox, IconPlus, IconShieldCheck } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useApiChange } from '@/api/hooks';
import type { Application, CacheRefreshRequestInput } from '@/api/schema';
import { useSearchParam } from '@/app/navigate';
import { isPortfolioAdmin, isSuperuser } from '@/app/permissions';
import { usePlace } from '@/app/place';
import { useMe } from '@/app/session';
import { ConfirmDialog, EmptyState, Loading, NothingFound, Page, SearchBox, useNotify } from '@/kit';
import { CardPages } from '@/kit/CardPages';
import { useTexts } from '@/texts';
import { VerifyDialog } from '../portfolios/VerifyDialog';
import { ApplicationCard } from './ApplicationCard';
import { ApplicationForm } from './ApplicationForm';

/** Each card asks for its own counts, so not all are shown at once. */
const PAGE = 24;

type Asked =
  | { what: 'form'; application?: Application }
  | { what: 'delete'; application: Application }
  | { what: 'verify'; name: string; request: CacheRefreshRequestInput };

/** The applications of the portfolio. */
export default function ApplicationsPage() {
  const t = useTexts();
  const me = useMe();
  const { portfolio, applications, loading } = usePlace();
  const admin = isPortfolioAdmin(me, portfolio?.id);
  const superuser = isSuperuser(me);
  const [search, setSearch] = useSearchParam('q');
  const [create, setCreate] = useSearchParam('create');
  const [asked, setAsked] = useState<Asked | null>(null);
  useEffect(() => {
    if (create === '' || !admin) return;
    setAsked({ what: 'form' });
    setCreate('');
  }, [create, setCreate, admin]);
  const found = applications.filter((each) => matches(each, search));
  const [wantedPage, setPage] = useState(0);
  const page = Math.min(wantedPage, Math.max(0, Math.ceil(found.length / PAGE) - 1));
  const button = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAsked({ what: 'form' })}>
      {t.applications.create}
    </Button>
  );
  return (
    <Page
      title={t.applications.title}
      lead={portfolio && t.applications.lead(portfolio.name)}
      actions={
        <>
          {applications.length > 0 && <SearchBox value={search} onChange={setSearch} wait={0} aria-label={t.applications.search} />}
          {superuser && portfolio && (
            <Button
              variant="default"
              leftSection={<IconShieldCheck size={16} />}
              onClick={() => setAsked({ what: 'verify', name: portfolio.name, request: { portfolioId: [portfolio.id] } })}
            >
              {t.applications.verifyAll}
            </Button>
          )}
          {admin && button}
        </>
      }
    >
      {loading && <Loading />}
      {!loading && applications.length === 0 && (
        <EmptyState
          icon={IconBox}
          title={t.applications.emptyTitle}
          text={admin ? t.applications.emptyText : t.applications.emptyTextMember}
          action={admin && button}
        />
      )}
      {applications.length > 0 && found.length === 0 && <NothingFound text={search} onClear={() => setSearch('')} />}
      <SimpleGrid cols={{ base: 1, sm: 2, xl: 3 }} spacing="md">
        {found.slice(page * PAGE, (page + 1) * PAGE).map((application) => (
          <ApplicationCard
            key={application.id}
            application={application}
            admin={admin}
            superuser={superuser}
            onEdit={() => setAsked({ what: 'form', application })}
            onDelete={() => setAsked({ what: 'delete', application })}
            onVerify={() => setAsked({ what: 'verify', name: application.name, request: { applicationId: [application.id] } })}
          />
        ))}
      </SimpleGrid>
      <CardPages page={page} size={PAGE} total={found.length} onPage={setPage} />
      <Dialogs asked={asked} portfolioId={portfolio?.id} onClose={() => setAsked(null)} />
    </Page>
  );
}

function matches(application: Application, search: string): boolean {
  const text = `${application.name} ${application.description ?? ''}`.toLocaleLowerCase();
  return text.includes(search.trim().toLocaleLowerCase());
}

interface DialogsProps {
  asked: Asked | null;
  portfolioId: string | undefined;
  onClose: () => void;
}

function Dialogs({ asked, portfolioId, onClose }: DialogsProps) {
  const t = useTexts();
  if (portfolioId === undefined) return null;
  return (
    <>
      <ApplicationForm
        opened={asked?.what === 'form'}
        onClose={onClose}
        portfolioId={portfolioId}
        {...(asked?.what === 'form' && asked.application ? { application: asked.application } : {})}
      />
      {asked?.what === 'delete' && <DeleteDialog application={asked.application} onClose={onClose} />}
      {asked?.what === 'verify' && <VerifyDialog title={t.portfolios.verifyTitle(asked.name)} request={asked.request} onClose={onClose} />}
    </>
  );
}

function DeleteDialog({ application, onClose }: { application: Application; onClose: () => void }) {
  const t = useTexts();
  const notify = useNotify();
  const remove = useApiChange('deleteApplication', {
    changes: ['findApplications', 'findPortfolios', 'getPortfolio'],
    deletes: application.id,
  });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={t.applications.deleteTitle(application.name)}
      confirmLabel={t.common.delete}
      typed={application.name}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { appId: application.id } });
        notify.success(t.applications.deleted(application.name));
      }}
    >
      <Text size="sm">{t.applications.deleteText}</Text>
    </ConfirmDialog>
  );
}
