/**
 * Where somebody works: the portfolio of the frame and the application of the working area.
 *
 * The address may name them (`?portfolio=…&application=…`, so links can be sent); else the choice of this tab
 * stands, else what this browser remembers, else the first there is.
 */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { useApi } from '@/api/hooks';
import type { Application, Portfolio } from '@/api/schema';
import { remember, remembered } from './memory';
import { useSearchParams } from './navigate';
import { isPortfolioAdmin } from './permissions';
import { useMe } from './session';

export interface Place {
  portfolios: readonly Portfolio[];
  portfolio: Portfolio | undefined;
  portfolioId: string | undefined;
  choosePortfolio: (id: string) => void;
  /** Those of the portfolio. */
  applications: readonly Application[];
  application: Application | undefined;
  applicationId: string | undefined;
  chooseApplication: (id: string) => void;
  /** The lists are not here yet. */
  loading: boolean;
  error: Error | null;
  retry: () => void;
}

const PlaceContext = createContext<Place | null>(null);

export function usePlace(): Place {
  const place = useContext(PlaceContext);
  if (place === null) throw new Error('usePlace is for screens inside the frame');
  return place;
}

export function PlaceProvider({ children }: { children: ReactNode }) {
  const search = useSearchParams();
  const portfolios = useApi('findPortfolios', { order: 'ASC' });
  const [wantedPortfolio, setPortfolio] = useRemembered('portfolio', search.portfolio);
  const portfolio = pick(portfolios.data, wantedPortfolio);
  const applications = useApi(
    'findApplications',
    { id: portfolio?.id ?? '', order: 'ASC', includeEnvironments: true },
    { enabled: portfolio !== undefined },
  );
  // Whoever has a role in an application alone, in none of its environments, is told of it here and not there.
  const me = useMe();
  const more = portfolio !== undefined && !isPortfolioAdmin(me, portfolio.id);
  const whole = useApi(
    'getPortfolio',
    { id: portfolio?.id ?? '', includeApplications: true, includeEnvironments: true },
    { enabled: more },
  );
  const listed = useMemo(
    () => together(applications.data, more ? whole.data?.applications : []),
    [applications.data, more, whole.data],
  );
  const [wantedApplication, setApplication] = useRemembered(`application-${portfolio?.id ?? ''}`, search.application);
  const application = pick(listed, wantedApplication);
  const { isPending, error, refetch } = portfolios;
  const loading = isPending || (portfolio !== undefined && (applications.isPending || (more && whole.isPending)));
  const applicationError = applications.error ?? whole.error;
  const refetchApplications = applications.error ? applications.refetch : whole.refetch;
  const value = useMemo<Place>(
    () => ({
      portfolios: portfolios.data ?? [],
      portfolio,
      portfolioId: portfolio?.id,
      choosePortfolio: setPortfolio,
      applications: listed ?? [],
      application,
      applicationId: application?.id,
      chooseApplication: setApplication,
      loading,
      error: error ?? applicationError,
      retry: () => void (error ? refetch() : refetchApplications()),
    }),
    [
      portfolios.data,
      portfolio,
      setPortfolio,
      listed,
      application,
      setApplication,
      loading,
      error,
      applicationError,
      refetch,
      refetchApplications,
    ],
  );
  return <PlaceContext value={value}>{children}</PlaceContext>;
}

/** Both lists as one, by name. */
function together(
  found: readonly Application[] | undefined,
  more: readonly Application[] | undefined,
): readonly Application[] | undefined {
  if (found === undefined || more === undefined) return found;
  const known = new Set(found.map((each) => each.id));
  const rest = more.filter((each) => !known.has(each.id));
  return rest.length === 0 ? found : [...found, ...rest].sort((one, other) => one.name.localeCompare(other.name));
}

function pick<T extends { id?: string }>(all: readonly T[] | undefined, wanted: string | null): T | undefined {
  return all?.find((each) => each.id === wanted) ?? all?.[0];
}

/** A choice that a name in the address sets, and that the browser keeps. */
function useRemembered(name: string, addressed: string | undefined): [string | null, (value: string) => void] {
  const [chosen, setChosen] = useState<Record<string, string>>({});
  const value = chosen[name] ?? addressed ?? remembered(name);
  // What the address says becomes the choice, so that it stays when the next link does not repeat it.
  useEffect(() => {
    if (addressed === undefined) return;
    remember(name, addressed);
    setChosen((before) => ({ ...before, [name]: addressed }));
  }, [name, addressed]);
  const choose = useMemo(
    () => (next: string) => {
      remember(name, next);
      setChosen((before) => ({ ...before, [name]: next }));
    },
    [name],
  );
  return [value, choose];
}
