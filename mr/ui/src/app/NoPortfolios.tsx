import { Outlet } from '@tanstack/react-router';
import { IconFolderOff } from '@tabler/icons-react';
import { EmptyState } from '@/kit/EmptyState';
import { useTexts } from '@/texts';
import { isSuperuser } from './permissions';
import { useMe } from './session';

/** Somebody who is in no group yet. Superusers can make a portfolio, so they see their screens. */
export function NoPortfolios() {
  const t = useTexts();
  if (isSuperuser(useMe())) return <Outlet />;
  return <EmptyState alone icon={IconFolderOff} title={t.frame.noPortfoliosTitle} text={t.frame.noPortfoliosText} />;
}
