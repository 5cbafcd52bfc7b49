/** Screens about one application: which one, and what to show while there is none. */
import { Button, Select } from '@mantine/core';
import { IconBox } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Application } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { isPortfolioAdmin } from '@/app/permissions';
import { usePlace } from '@/app/place';
import { useMe } from '@/app/session';
import { useTexts } from '@/texts';
import { EmptyState } from './EmptyState';
import { Loading } from './Loading';

/** Chooses the application of the working area. Nothing to choose between, nothing shown. */
export function ApplicationSelect() {
  const t = useTexts();
  const { applications, applicationId } = usePlace();
  // By the address, so that it can be sent to others, and so that a form with unsaved input can object.
  const [, address] = useSearchParam('application');
  if (applications.length === 0) return null;
  return (
    <Select
      aria-label={t.applications.choose}
      data={applications.map(({ id, name }) => ({ value: id, label: name }))}
      value={applicationId ?? null}
      searchable
      allowDeselect={false}
      w={210}
      onChange={(id) => id !== null && address(id)}
    />
  );
}

interface ForApplicationProps {
  /** The page is inside: without an application this is all of it. */
  alone?: boolean;
  children: (application: Application) => ReactNode;
}

/** Renders its children with the chosen application; says so when the portfolio has none. */
export function ForApplication({ alone = false, children }: ForApplicationProps) {
  const t = useTexts();
  const me = useMe();
  const { application, portfolioId, loading, error } = usePlace();
  if (application !== undefined) return children(application);
  if (loading) return <Loading />;
  if (error !== null) return null; // the frame tells it above every screen
  const admin = isPortfolioAdmin(me, portfolioId);
  return (
    <EmptyState
      alone={alone}
      icon={IconBox}
      title={t.applications.emptyTitle}
      text={admin ? t.applications.emptyText : t.applications.emptyTextMember}
      action={
        admin && (
          <Button component={AppLink} to="/applications" search={{ create: 'yes' }}>
            {t.applications.create}
          </Button>
        )
      }
    />
  );
}
