import type { ReactNode } from 'react';
import type { AreaRoute } from './area';
import { Forbidden } from './notices';
import { usePlace } from './place';
import { useMe } from './session';

/** A screen, or a notice for those whose role it is not for. The server decides again at every call. */
export function Guarded({ area, children }: { area: AreaRoute; children: ReactNode }) {
  const me = useMe();
  const { portfolioId, loading } = usePlace();
  if (area.who !== undefined && !area.who({ me, portfolioId })) return loading ? null : <Forbidden />;
  return children;
}
