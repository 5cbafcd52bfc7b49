import { Menu } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import { AppLink } from '@/app/navigate';
import { useAudits } from './audits';

/** The ways to somebody's audit, within their menu. */
export function AuditItems({ id }: { id: string }) {
  const audits = useAudits();
  return audits(id).map(({ label, search }) => (
    <Menu.Item key={label} leftSection={<IconHistory size={16} />} component={AppLink} to="/audit" search={search}>
      {label}
    </Menu.Item>
  ));
}
