import { IconHistory } from '@tabler/icons-react';
import { useCallback } from 'react';
import { isAnyPortfolioAdmin } from '@/app/permissions';
import { useMe } from '@/app/session';
import { useTexts } from '@/texts';
import type { MenuEntry } from './ItemMenu';

/** The way from an object to what was done with it, for those who may see the audit. */
export function useAuditEntry(): (objectId: string) => MenuEntry | false {
  const label = useTexts().applications.audit;
  const may = isAnyPortfolioAdmin(useMe());
  return useCallback(
    (objectId) => may && { label, icon: IconHistory, to: '/audit', search: { objectId } },
    [label, may],
  );
}
