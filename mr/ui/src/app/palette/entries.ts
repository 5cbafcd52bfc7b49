/** Everything there is to jump to: screens and actions at once, the rest as the server tells it. */
import { useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { type TablerIcon, IconBolt, IconBox, IconBriefcase, IconFlag, IconLogout, IconMoon, IconSun, IconUser } from '@tabler/icons-react';
import { useQueries } from '@tanstack/react-query';
import { asking, useApi } from '@/api/hooks';
import { signOut } from '@/api/session';
import type { Application, Portfolio } from '@/api/schema';
import { AREA_ROUTES } from '@/areas';
import { useNotify } from '@/kit/notify';
import { useTexts } from '@/texts';
import { type Search, useGo } from '../navigate';
import { isAnyPortfolioAdmin, isPortfolioAdmin, mayCreateFeatures } from '../permissions';
import { usePlace } from '../place';
import { useMe } from '../session';
import { best, score } from './match';

export type EntryKind = 'feature' | 'application' | 'portfolio' | 'person' | 'screen' | 'action';

export interface Entry {
  key: string;
  kind: EntryKind;
  icon: TablerIcon;
  name: string;
  /** A key, an address: found by it too. */
  also?: string | undefined;
  /** Where it is. */
  within?: string | undefined;
  run: () => void;
}

const MOST = 40;
const MOST_OF_A_KIND = 12;
/** Features of more applications are found after choosing the application. */
const MOST_APPLICATIONS = 30;

type Go = (to: string, search?: Search) => () => void;

function useGoing(): Go {
  const go = useGo();
  return (to, search) => () => void go(to, { search });
}

export interface Found {
  entries: Entry[];
  searching: boolean;
  /** Where there are too many applications to search them all: how many are, of how many. */
  some: { searched: number; all: number } | null;
}

export function useEntries(typed: string): Found {
  const going = useGoing();
  const portfolios = useApi('findPortfolios', { includeApplications: true, order: 'ASC' }, { staleTime: 60_000 });
  const features = useFeatures(portfolios.data ?? [], going);
  const people = usePeople(typed, going);
  const all = [
    ...features.entries,
    ...places(portfolios.data ?? [], going),
    ...people.entries,
    ...useScreens(going),
    ...useActions(going),
  ];
  const kinds = [...new Set(all.map((entry) => entry.kind))];
  const points = (entry: Entry) => score(typed, entry.name, entry.also, entry.within) * (typed === '' ? 1 : WEIGHT[entry.kind]);
  const found = kinds.flatMap((kind) => best(all.filter((entry) => entry.kind === kind), points, typed === '' ? 5 : MOST_OF_A_KIND));
  return {
    entries: best(found, points, MOST),
    searching: portfolios.isPending || features.searching || people.searching,
    some: features.some,
  };
}

/** Of two that fit as well, the one that people look for more often. */
const WEIGHT: Readonly<Record<EntryKind, number>> = {
  feature: 1.2,
  application: 1.15,
  portfolio: 1.1,
  person: 1.05,
  screen: 1.1,
  action: 1,
};

function places(portfolios: readonly Portfolio[], going: Go): Entry[] {
  return portfolios.flatMap((portfolio): Entry[] => [
    {
      key: `portfolio ${portfolio.id}`,
      kind: 'portfolio',
      icon: IconBriefcase,
      name: portfolio.name,
      run: going('/applications', { portfolio: portfolio.id }),
    },
    ...portfolio.applications.map(
      (application): Entry => ({
        key: `application ${application.id}`,
        kind: 'application',
        icon: IconBox,
        name: application.name,
        within: portfolio.name,
        run: going('/feature-dashboard', { portfolio: portfolio.id, application: application.id }),
      }),
    ),
  ]);
}

function useFeatures(portfolios: readonly Portfolio[], going: Go): Found {
  const { applicationId } = usePlace();
  const all: { portfolio: Portfolio; application: Application }[] = portfolios.flatMap((portfolio) =>
    portfolio.applications.map((application) => ({ portfolio, application })),
  );
  // The one somebody works on first: it is there even where there are very many.
  all.sort((one, other) => Number(other.application.id === applicationId) - Number(one.application.id === applicationId));
  const asked = all.slice(0, MOST_APPLICATIONS);
  const answers = useQueries({
    queries: asked.map(({ application }) => ({
      ...asking('getAllFeaturesForApplication', { id: application.id }),
      staleTime: 60_000,
      retry: false,
    })),
  });
  const entries = asked.flatMap(({ portfolio, application }, index) =>
    (answers[index]?.data ?? []).map(
      (feature): Entry => ({
        key: `feature ${application.id} ${feature.key ?? ''}`,
        kind: 'feature',
        icon: IconFlag,
        name: feature.name,
        also: feature.key,
        within: application.name,
        run: going('/feature-values', { portfolio: portfolio.id, application: application.id, feature: feature.key }),
      }),
    ),
  );
  return {
    entries,
    searching: answers.some((answer) => answer.isLoading),
    some: asked.length < all.length ? { searched: asked.length, all: all.length } : null,
  };
}

function usePeople(typed: string, going: Go): { entries: Entry[]; searching: boolean } {
  const me = useMe();
  const [later] = useDebouncedValue(typed.trim(), 200);
  const wanted = isAnyPortfolioAdmin(me) && later.length >= 2;
  const found = useApi(
    'findPeople',
    { filter: later, pageSize: MOST_OF_A_KIND, startAt: 0, order: 'ASC', personTypes: ['person'] },
    { enabled: wanted, staleTime: 30_000 },
  );
  const entries = (wanted ? (found.data?.people ?? []) : []).map(
    (person): Entry => ({
      key: `person ${person.id?.id ?? ''}`,
      kind: 'person',
      icon: IconUser,
      name: person.name ?? person.email ?? '',
      also: person.email,
      within: person.email,
      run: going(`/manage-user/${person.id?.id ?? ''}`),
    }),
  );
  return { entries, searching: wanted && found.isLoading };
}

function useScreens(going: Go): Entry[] {
  const t = useTexts();
  const me = useMe();
  const { portfolioId } = usePlace();
  return AREA_ROUTES.filter((area) => area.nav && (area.who?.({ me, portfolioId }) ?? true)).map((area) => ({
    key: `screen ${area.path}`,
    kind: 'screen',
    icon: area.nav?.icon ?? IconBolt,
    name: area.title(t),
    within: area.nav && t.frame.sections[area.nav.section],
    run: going(area.path, area.nav?.search),
  }));
}

function useActions(going: Go): Entry[] {
  const t = useTexts().insight.palette.actions;
  const me = useMe();
  const notify = useNotify();
  const { portfolioId, applicationId } = usePlace();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme('light') === 'dark';
  const admin = isPortfolioAdmin(me, portfolioId);
  const action = (name: string, run: () => void, icon: TablerIcon = IconBolt): Entry => ({
    key: `action ${name}`,
    kind: 'action',
    icon,
    name,
    run,
  });
  return [
    ...(applicationId !== undefined && mayCreateFeatures(me, applicationId, portfolioId)
      ? [action(t.createFeature, going('/feature-dashboard', { create: 'yes' }))]
      : []),
    ...(admin ? [action(t.createApplication, going('/applications', { create: 'yes' }))] : []),
    ...(admin ? [action(t.createAccount, going('/service-accounts', { create: 'yes' }))] : []),
    ...(isAnyPortfolioAdmin(me) ? [action(t.invite, going('/create-user'))] : []),
    action(dark ? t.light : t.dark, () => setColorScheme(dark ? 'light' : 'dark'), dark ? IconSun : IconMoon),
    action(t.signOut, () => void signOut().catch(notify.failure), IconLogout),
  ];
}
