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
  const [wantedApplication, setApplication] = useRemembered(`application-${portfolio?.id ?? ''}`, search.application);
  const application = pick(applications.data, wantedApplication);
  const { isPending, error, refetch } = portfolios;
  const loading = isPending || (portfolio !== undefined && applications.isPending);
  const applicationError = applications.error;
  const refetchApplications = applications.refetch;
  const value = useMemo<Place>(
    () => ({
      portfolios: portfolios.data ?? [],
      portfolio,
      portfolioId: portfolio?.id,
      choosePortfolio: setPortfolio,
      applications: applications.data ?? [],
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
      applications.data,
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
