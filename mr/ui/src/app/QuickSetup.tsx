import { ActionIcon, Anchor, Group, List, ScrollArea, Select, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import { IconCheck, IconCircle, IconX } from '@tabler/icons-react';
import { useApi } from '@/api/hooks';
import type { ApplicationSummary } from '@/api/schema';
import { useTexts } from '@/texts';
import { AppLink } from './navigate';
import { usePlace } from './place';

type Steps = ReturnType<typeof useTexts>['frame']['setup']['steps'];

/** What is still to be done until an SDK sees a feature, and where. */
export function QuickSetup({ onClose }: { onClose: () => void }) {
  const t = useTexts();
  const { portfolioId, applications, applicationId, chooseApplication } = usePlace();
  const summary = useApi(
    'summaryApplication',
    { appId: applicationId ?? '' },
    { enabled: applicationId !== undefined, staleTime: 0 },
  );
  const inPortfolio = { id: portfolioId ?? '' };
  const groups = useApi('findGroups', inPortfolio, { enabled: portfolioId !== undefined, staleTime: 0 });
  const accounts = useApi('searchServiceAccountsInPortfolio', inPortfolio, {
    enabled: portfolioId !== undefined,
    staleTime: 0,
  });
  const steps = stepsOf(
    summary.data,
    groups.data?.some((group) => group.admin !== true) === true,
    (accounts.data?.length ?? 0) > 0,
  );
  const done = steps.filter((step) => step.done).length;
  return (
    <Stack gap="sm" p="md" h="100%" component="section" aria-label={t.frame.setup.title}>
      <Group justify="space-between">
        <Title order={2} size="h4">
          {t.frame.setup.title}
        </Title>
        <ActionIcon variant="subtle" color="gray" aria-label={t.common.close} onClick={onClose}>
          <IconX size={18} />
        </ActionIcon>
      </Group>
      <Text size="sm" c="dimmed">
        {t.frame.setup.text}
      </Text>
      {applications.length > 0 ? (
        <Select
          label={t.frame.setup.choose}
          size="xs"
          data={applications.map(({ id, name }) => ({ value: id ?? '', label: name }))}
          value={applicationId ?? null}
          allowDeselect={false}
          onChange={(id) => id && chooseApplication(id)}
        />
      ) : (
        <Text size="sm">{t.frame.setup.noApplication}</Text>
      )}
      <ScrollArea flex={1}>
        <List spacing="sm" center listStyleType="none">
          {steps.map((step) => (
            <List.Item
              key={step.name}
              icon={
                <ThemeIcon size={24} radius="xl" color={step.done ? 'teal' : 'gray'} variant={step.done ? 'filled' : 'light'}>
                  {step.done ? <IconCheck size={14} /> : <IconCircle size={12} />}
                </ThemeIcon>
              }
            >
              <Anchor component={AppLink} to={step.to} search={step.search} size="sm">
                {t.frame.setup.steps[step.name]}
              </Anchor>
              <span className="visually-hidden"> ({step.done ? t.frame.setup.isDone : t.frame.setup.isOpen})</span>
            </List.Item>
          ))}
        </List>
      </ScrollArea>
      <Text size="sm" c="dimmed" role="status">
        {t.frame.setup.done(done)}
      </Text>
    </Stack>
  );
}

interface Step {
  name: keyof Steps;
  to: string;
  search?: Record<string, string>;
  done: boolean;
}

function stepsOf(summary: ApplicationSummary | undefined, group: boolean, account: boolean): Step[] {
  const has = (yes: boolean | undefined) => yes === true;
  return [
    { name: 'application', to: '/applications', done: summary !== undefined },
    { name: 'group', to: '/groups', done: group },
    { name: 'serviceAccount', to: '/service-accounts', done: account },
    { name: 'environment', to: '/app-settings', search: { tab: 'environments' }, done: has(summary && summary.environmentCount > 0) },
    { name: 'groupPermissions', to: '/app-settings', search: { tab: 'groups' }, done: has(summary?.groupsHavePermission) },
    {
      name: 'accountPermissions',
      to: '/app-settings',
      search: { tab: 'accounts' },
      done: has(summary?.serviceAccountsHavePermission),
    },
    { name: 'feature', to: '/feature-dashboard', done: has(summary && summary.featureCount > 0) },
  ];
}
