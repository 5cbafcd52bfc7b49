import { Anchor, Badge, Button, Card, Group, Skeleton, Stack, Text } from '@mantine/core';
import { IconKey, IconPencil, IconSettings, IconShieldCheck, IconTrash } from '@tabler/icons-react';
import { useApi } from '@/api/hooks';
import type { Application } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { useTexts } from '@/texts';

interface ApplicationCardProps {
  application: Application;
  admin: boolean;
  superuser: boolean;
  onEdit: () => void;
  onDelete: () => void;
  onVerify: () => void;
}

/** One application: what is in it, what it still needs, and where to go from it. */
export function ApplicationCard(props: ApplicationCardProps) {
  const { application, admin, superuser, onEdit, onDelete, onVerify } = props;
  const t = useTexts();
  const audit = useAuditEntry();
  const there = { application: application.id };
  return (
    <Card withBorder component="article" aria-label={application.name}>
      <Stack gap="xs" h="100%">
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <Anchor component={AppLink} to="/feature-dashboard" search={there} fw={600} size="lg" style={{ overflowWrap: 'anywhere' }}>
            {application.name}
          </Anchor>
          <ItemMenu
            label={t.applications.menu(application.name)}
            entries={[
              admin && { label: t.applications.settings, icon: IconSettings, to: '/app-settings', search: there },
              { label: t.applications.keys, icon: IconKey, to: '/api-keys', search: there },
              admin && { label: t.applications.rename, icon: IconPencil, onClick: onEdit },
              superuser && { label: t.applications.verify, icon: IconShieldCheck, onClick: onVerify },
              audit(application.id),
              admin && { label: t.common.delete, icon: IconTrash, onClick: onDelete, danger: true },
            ]}
          />
        </Group>
        <Text size="sm" c="dimmed" lineClamp={3} flex={1}>
          {application.description}
        </Text>
        <Counts application={application} admin={admin} />
        <Group gap="xs" mt={4}>
          <Button component={AppLink} to="/feature-dashboard" search={there} variant="light" size="xs">
            {t.applications.open}
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}

function Counts({ application, admin }: Pick<ApplicationCardProps, 'application' | 'admin'>) {
  const t = useTexts();
  const summary = useApi('summaryApplication', { appId: application.id }, { staleTime: 30_000 });
  if (summary.isPending) return <Skeleton height={22} width={180} />;
  if (summary.data === undefined) return null;
  const { featureCount, environmentCount, groupsHavePermission, serviceAccountsHavePermission } = summary.data;
  const missing = [
    !groupsHavePermission && { text: t.applications.noGroups, tab: 'groups' },
    !serviceAccountsHavePermission && { text: t.applications.noAccounts, tab: 'accounts' },
  ].filter((each) => each !== false);
  return (
    <>
      <Group gap="xs">
        <Badge variant="default" radius="sm" tt="none" fw={500}>
          {t.applications.features(featureCount)}
        </Badge>
        <Badge variant="default" radius="sm" tt="none" fw={500}>
          {t.applications.environments(environmentCount)}
        </Badge>
      </Group>
      {admin &&
        missing.map(({ text, tab }) => (
          <Anchor key={tab} component={AppLink} to="/app-settings" search={{ application: application.id, tab }} size="xs">
            {text}
          </Anchor>
        ))}
    </>
  );
}
