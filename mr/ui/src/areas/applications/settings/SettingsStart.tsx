import { Navigate } from '@tanstack/react-router';
import { useSearchParams } from '@/app/navigate';
import { tabOf } from './tabs';

/** `/app-settings?tab=groups` leads to that part; without a name, to the first. */
export default function SettingsStart() {
  const { tab, ...search } = useSearchParams();
  return <Navigate to={`/app-settings/${tabOf(tab)}`} search={search as never} replace />;
}
