/** From somebody, or an account for scripts, to what the audit says of them. */
import { useCallback } from 'react';
import type { Search } from '@/app/navigate';
import { isSuperuser } from '@/app/permissions';
import { useMe } from '@/app/session';
import { useTexts } from '@/texts';

export interface AuditWay {
  label: string;
  search: Search;
}

/** What they did; and what was done to them, which belongs to no portfolio, so superusers alone see it. */
export function useAudits(): (id: string) => readonly AuditWay[] {
  const t = useTexts().people;
  const all = isSuperuser(useMe());
  return useCallback(
    (id) => [
      { label: t.historyBy, search: { actor: id } },
      ...(all ? [{ label: t.historyOf, search: { objectId: id } }] : []),
    ],
    [t, all],
  );
}
