import { Anchor, Badge, Button, Card, Code, Group, Select, SimpleGrid, Stack, Text } from '@mantine/core';
import { IconAdjustments, IconListDetails, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { Application, Environment, FeatureGroupListGroup } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { environmentRoles } from '@/app/permissions';
import { useMe } from '@/app/session';
import { ConfirmDialog, EmptyState, Failure, Loading, NothingFound, Page, SearchBox, useNotify } from '@/kit';
import { CardPages } from '@/kit/CardPages';
import { ApplicationSelect, ForApplication } from '@/kit/ForApplication';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { ProductionMark, WARNING } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import { FeatureGroupForm } from './FeatureGroupForm';
import { FEATURE_GROUP_LISTS } from './lists';

const PAGE = 24;

type Asked = { what: 'form'; group?: FeatureGroupListGroup } | { what: 'delete'; group: FeatureGroupListGroup } | null;

/** Features of one environment that roll out together. */
export default function FeatureGroupsPage() {
  const t = useTexts().strategies.groups;
  const [search, setSearch] = useSearchParam('q');
  return (
    <Page
      title={t.title}
      lead={t.lead}
      actions={
        <>
          <SearchBox w={220} value={search} onChange={setSearch} aria-label={t.search} />
          <ApplicationSelect />
        </>
      }
    >
      <ForApplication>
        {(application) => <InApplication key={application.id} application={application} search={search} onSearch={setSearch} />}
      </ForApplication>
    </Page>
  );
}

interface SearchProps {
  search: string;
  onSearch: (text: string) => void;
}

function InApplication({ application, ...search }: SearchProps & { application: Application }) {
  const t = useTexts();
  const me = useMe();
  const [wanted, setWanted] = useSearchParam('environment');
  const [asked, setAsked] = useState<Asked>(null);
  // Only those in which somebody may read: the server shows nothing of others.
  const environments = application.environments.filter(
    (each) => environmentRoles(me, each.id, application.portfolioId).size > 0,
  );
  const environment = environments.find((each) => each.id === wanted) ?? environments[0];
  if (environment === undefined) {
    return <EmptyState icon={IconListDetails} title={t.applications.noEnvironments} text={t.applications.emptyTextMember} />;
  }
  const editor = environmentRoles(me, environment.id, application.portfolioId).has('CHANGE_VALUE');
  const create = editor && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAsked({ what: 'form' })}>
      {t.strategies.groups.create}
    </Button>
  );
  const close = () => setAsked(null);
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Group>
          <Select
            aria-label={t.applications.chooseEnvironment}
            data={environments.map(({ id, name }) => ({ value: id, label: name }))}
            value={environment.id}
            searchable
            allowDeselect={false}
            w={240}
            onChange={(id) => id !== null && setWanted(id)}
          />
          <ProductionMark environment={environment} />
        </Group>
        {create}
      </Group>
      <Groups
        key={`${environment.id} ${search.search}`}
        application={application}
        environment={environment}
        editor={editor}
        create={create}
        onAsk={setAsked}
        {...search}
      />
      <FeatureGroupForm
        opened={asked?.what === 'form'}
        onClose={close}
        applicationId={application.id}
        environmentId={environment.id}
        {...(asked?.what === 'form' && asked.group ? { group: asked.group } : {})}
      />
      {asked?.what === 'delete' && <DeleteFeatureGroup applicationId={application.id} group={asked.group} onClose={close} />}
    </Stack>
  );
}

interface GroupsProps extends SearchProps {
  application: Application;
  environment: Environment;
  editor: boolean;
  create: React.ReactNode;
  onAsk: (asked: Asked) => void;
}

function Groups({ application, environment, editor, create, onAsk, search, onSearch }: GroupsProps) {
  const t = useTexts().strategies.groups;
  const [page, setPage] = useState(0);
  const list = useApi(
    'listFeatureGroups',
    { appId: application.id, environmentId: environment.id, filter: search, max: PAGE, page },
    { keep: true },
  );
  if (list.isPending) return <Loading />;
  if (list.error) return <Failure error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data.count === 0) {
    if (search !== '') return <NothingFound text={search} onClear={() => onSearch('')} />;
    return (
      <EmptyState
        icon={IconListDetails}
        title={t.emptyTitle}
        text={editor ? t.emptyText : `${t.emptyText} ${t.emptyReader}`}
        action={create}
      />
    );
  }
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2, xl: 3 }}>
        {list.data.featureGroups.map((group) => (
          <GroupCard key={group.id} application={application} group={group} editor={editor} onAsk={onAsk} />
        ))}
      </SimpleGrid>
      <CardPages page={page} size={PAGE} total={list.data.count} onPage={setPage} />
    </>
  );
}

const MOST_KEYS = 6;

interface GroupCardProps {
  application: Application;
  group: FeatureGroupListGroup;
  editor: boolean;
  onAsk: (asked: Asked) => void;
}

function GroupCard({ application, group, editor, onAsk }: GroupCardProps) {
  const t = useTexts();
  const words = t.strategies.groups;
  const audit = useAuditEntry();
  const there = { application: application.id, group: group.id };
  const edit = '/edit-feature-group-strategy-values';
  return (
    <Card withBorder component="article" aria-label={group.name}>
      <Stack gap="xs" h="100%">
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <Anchor component={AppLink} to={edit} search={there} fw={600} size="lg" style={{ overflowWrap: 'anywhere' }}>
            {group.name}
          </Anchor>
          <ItemMenu
            label={words.menu(group.name)}
            entries={[
              { label: words.open, icon: IconAdjustments, to: edit, search: there },
              editor && { label: words.edit, icon: IconPencil, onClick: () => onAsk({ what: 'form', group }) },
              audit(group.id),
              editor && { label: t.common.delete, icon: IconTrash, onClick: () => onAsk({ what: 'delete', group }), danger: true },
            ]}
          />
        </Group>
        <Text size="sm" c="dimmed" lineClamp={2} flex={1}>
          {group.description}
        </Text>
        <Group gap={4}>
          {group.features.length === 0 && (
            <Text size="sm" c="dimmed">
              {words.noFeatures}
            </Text>
          )}
          {group.features.slice(0, MOST_KEYS).map((feature) => (
            <Code key={feature.key}>{feature.key}</Code>
          ))}
          {group.features.length > MOST_KEYS && (
            <Text size="xs" c="dimmed">
              {words.more(group.features.length - MOST_KEYS)}
            </Text>
          )}
        </Group>
        <Group>
          <Badge variant="light" color={group.hasStrategy ? 'sea' : 'orange'} radius="sm" tt="none" {...(group.hasStrategy ? {} : { style: WARNING })}>
            {group.hasStrategy ? words.hasStrategy : words.noStrategy}
          </Badge>
        </Group>
      </Stack>
    </Card>
  );
}

interface DeleteFeatureGroupProps {
  applicationId: string;
  group: FeatureGroupListGroup;
  onClose: () => void;
}

function DeleteFeatureGroup({ applicationId, group, onClose }: DeleteFeatureGroupProps) {
  const t = useTexts();
  const words = t.strategies.groups;
  const notify = useNotify();
  const remove = useApiChange('deleteFeatureGroup', { changes: FEATURE_GROUP_LISTS });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={words.deleteTitle(group.name)}
      confirmLabel={t.common.delete}
      typed={group.name}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { appId: applicationId, fgId: group.id } });
        notify.success(words.deleted(group.name));
      }}
    >
      <Text size="sm">{words.deleteText}</Text>
    </ConfirmDialog>
  );
}
