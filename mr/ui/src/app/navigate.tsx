/**
 * Links and addresses. The router's own types are not used across areas: paths are texts here, built by whoever
 * links, and a test walks all of them.
 */
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type AnchorHTMLAttributes, type Ref, useCallback, useEffect, useRef } from 'react';

export type Search = Record<string, string | undefined>;

export interface AppLinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> {
  /** A path below the base, such as `/users`. */
  to: string;
  search?: Search;
  ref?: Ref<HTMLAnchorElement>;
}

/** A link inside the interface: `<Anchor component={AppLink} to="/users">`, also for buttons. */
export function AppLink({ to, search, ...rest }: AppLinkProps) {
  return <Link {...rest} to={to} search={(search ?? {}) as never} />;
}

/** Go somewhere: `go('/users', { search: { q: 'x' }, replace: true })`. */
export function useGo() {
  const navigate = useNavigate();
  return useCallback(
    (to: string, { search, replace }: { search?: Search | undefined; replace?: boolean } = {}) =>
      navigate({ to, search: (search ?? {}) as never, replace: replace ?? false }),
    [navigate],
  );
}

/** Goes elsewhere, once, in place of what is shown. */
export function Redirect({ to, search }: { to: string; search?: Search }) {
  const go = useGo();
  const gone = useRef(false);
  useEffect(() => {
    if (gone.current) return;
    gone.current = true;
    void go(to, { search, replace: true });
  }, [go, to, search]);
  return null;
}

/** A `$name` of the current path. */
export function usePathParam(name: string): string {
  const params = useParams({ strict: false }) as Record<string, string | undefined>;
  return params[name] ?? '';
}

/** All of the query. */
export function useSearchParams(): Search {
  return useSearch({ strict: false }) as Search;
}

/** A member of the query as state: it survives a reload and can be sent to others. Empty = absent. */
export function useSearchParam(name: string, otherwise = ''): [string, (value: string) => void] {
  const search = useSearchParams();
  const navigate = useNavigate();
  const set = useCallback(
    (value: string) =>
      void navigate({
        to: '.',
        replace: true,
        search: ((before: Search) => ({ ...before, [name]: value === otherwise ? undefined : value })) as never,
      }),
    [navigate, name, otherwise],
  );
  return [search[name] ?? otherwise, set];
}
