import { ActionIcon, Button, Group, Paper, Stack, Switch, Text, Tooltip } from '@mantine/core';
import {
  closestCenter,
  DndContext,
  type DragEndEvent,
  KeyboardSensor,
  PointerSensor,
  useSensor,
  useSensors,
} from '@dnd-kit/core';
import { SortableContext, sortableKeyboardCoordinates, useSortable, verticalListSortingStrategy } from '@dnd-kit/sortable';
import { CSS } from '@dnd-kit/utilities';
import { IconChevronDown, IconChevronUp, IconGripVertical, IconPencil, IconPlus, IconStack2, IconTrash } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { invalidate, useApi, useApiChange } from '@/api/hooks';
import type { Application, Environment } from '@/api/schema';
import { EmptyState, Failure, Loading, useNotify } from '@/kit';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { useQueryClient } from '@tanstack/react-query';
import { useTexts } from '@/texts';
import { moved, orderingOf, sameOrder } from '../promotion';
import { DeleteEnvironment, ENVIRONMENT_LISTS, EnvironmentForm } from './EnvironmentDialogs';

type Asked = { what: 'form'; environment?: Environment } | { what: 'delete'; environment: Environment };

/** The environments of an application, in their order of promotion. */
export function EnvironmentsTab({ application }: { application: Application }) {
  const t = useTexts();
  const [asked, setAsked] = useState<Asked | null>(null);
  const list = useApi('findEnvironments', { id: application.id, order: 'PRIORITY', includeDetails: true });
  const create = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAsked({ what: 'form' })}>
      {t.applications.environment.create}
    </Button>
  );
  if (list.isPending) return <Loading />;
  if (list.error) return <Failure error={list.error} onRetry={() => void list.refetch()} />;
  const close = () => setAsked(null);
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Text c="dimmed" size="sm">
          {t.applications.environment.lead}
        </Text>
        {list.data.length > 0 && create}
      </Group>
      {list.data.length === 0 ? (
        <EmptyState
          icon={IconStack2}
          title={t.applications.environment.emptyTitle}
          text={t.applications.environment.emptyText}
          action={create}
        />
      ) : (
        <Ordered
          application={application}
          environments={list.data}
          onEdit={(environment) => setAsked({ what: 'form', environment })}
          onDelete={(environment) => setAsked({ what: 'delete', environment })}
        />
      )}
      <EnvironmentForm
        opened={asked?.what === 'form'}
        onClose={close}
        application={application}
        environments={list.data}
        {...(asked?.what === 'form' && asked.environment ? { environment: asked.environment } : {})}
      />
      {asked?.what === 'delete' && <DeleteEnvironment environment={asked.environment} onClose={close} />}
    </Stack>
  );
}

interface OrderedProps {
  application: Application;
  environments: readonly Environment[];
  onEdit: (environment: Environment) => void;
  onDelete: (environment: Environment) => void;
}

function Ordered({ application, environments, onEdit, onDelete }: OrderedProps) {
  const t = useTexts();
  const { shown, move, busy } = useOrder(application, environments);
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 4 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );
  const place = (id: unknown) => shown.findIndex((each) => each.id === id);
  const nameOf = (id: unknown) => shown[place(id)]?.name ?? '';
  const told = (id: unknown, over: unknown) => t.applications.environment.moved(nameOf(id), place(over) + 1, shown.length);
  const ended = ({ active, over }: DragEndEvent) => {
    if (over !== null && over.id !== active.id) move(place(active.id), place(over.id));
  };
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={closestCenter}
      onDragEnd={ended}
      accessibility={{
        screenReaderInstructions: { draggable: t.applications.environment.dragHint },
        announcements: {
          onDragStart: ({ active }) => t.applications.environment.drag(nameOf(active.id)),
          onDragOver: ({ active, over }) => (over ? told(active.id, over.id) : undefined),
          onDragEnd: ({ active, over }) => (over ? told(active.id, over.id) : undefined),
          onDragCancel: () => undefined,
        },
      }}
    >
      <SortableContext items={shown.map((each) => each.id)} strategy={verticalListSortingStrategy}>
        <Stack gap="xs" component="ol" p={0} m={0} style={{ listStyle: 'none' }}>
          {shown.map((environment, index) => (
            <Row
              key={environment.id}
              environment={environment}
              disabled={busy}
              onUp={index === 0 ? undefined : () => move(index, index - 1)}
              onDown={index === shown.length - 1 ? undefined : () => move(index, index + 1)}
              onEdit={() => onEdit(environment)}
              onDelete={() => onDelete(environment)}
            />
          ))}
        </Stack>
      </SortableContext>
    </DndContext>
  );
}

/** The order as it is shown at once and saved behind; a refused one is put back. */
function useOrder(application: Application, environments: readonly Environment[]) {
  const t = useTexts();
  const notify = useNotify();
  const client = useQueryClient();
  const [shown, setShown] = useState(environments);
  // Pending until the list is there again: the next move needs the versions that this one leads to.
  const save = useApiChange('environmentOrdering', { changes: ENVIRONMENT_LISTS });
  useEffect(() => setShown(environments), [environments]);
  const move = (from: number, to: number) => {
    const next = moved(shown, from, to);
    if (sameOrder(next, shown)) return;
    setShown(next);
    save.mutate(
      { params: { id: application.id }, body: orderingOf(next) },
      {
        onSuccess: () => notify.success(t.applications.environment.orderSaved),
        onError: (error) => {
          setShown(environments);
          notify.failure(error);
          void invalidate(client, ...ENVIRONMENT_LISTS);
        },
      },
    );
  };
  return { shown, move, busy: save.isPending };
}

interface RowProps {
  environment: Environment;
  disabled: boolean;
  onUp: (() => void) | undefined;
  onDown: (() => void) | undefined;
  onEdit: () => void;
  onDelete: () => void;
}

function Row({ environment, disabled, onUp, onDown, onEdit, onDelete }: RowProps) {
  const t = useTexts().applications.environment;
  const common = useTexts().common;
  const audit = useAuditEntry();
  const { attributes, listeners, setNodeRef, setActivatorNodeRef, transform, transition, isDragging } = useSortable({
    id: environment.id,
    disabled,
  });
  return (
    <Paper
      withBorder
      component="li"
      ref={setNodeRef}
      p="xs"
      shadow={isDragging ? 'md' : undefined}
      style={{ transform: CSS.Translate.toString(transform), transition, position: 'relative', zIndex: isDragging ? 1 : 0 }}
    >
      <Group wrap="nowrap" gap="sm">
        <ActionIcon
          ref={setActivatorNodeRef}
          variant="subtle"
          color="gray"
          style={{ cursor: 'grab', touchAction: 'none' }}
          {...attributes}
          {...listeners}
          aria-label={t.drag(environment.name)}
        >
          <IconGripVertical size={18} />
        </ActionIcon>
        <div style={{ flex: 1, minWidth: 0 }}>
          <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
            {environment.name}
          </Text>
          <Text size="sm" c="dimmed" truncate>
            {environment.description}
          </Text>
        </div>
        <ProductionSwitch environment={environment} />
        <Group gap={2} wrap="nowrap">
          <Arrow label={t.up(environment.name)} icon={IconChevronUp} onClick={disabled ? undefined : onUp} />
          <Arrow label={t.down(environment.name)} icon={IconChevronDown} onClick={disabled ? undefined : onDown} />
        </Group>
        <ItemMenu
          label={t.menu(environment.name)}
          entries={[
            { label: t.edit, icon: IconPencil, onClick: onEdit },
            audit(environment.id),
            { label: common.delete, icon: IconTrash, onClick: onDelete, danger: true },
          ]}
        />
      </Group>
    </Paper>
  );
}

function Arrow({ label, icon: Icon, onClick }: { label: string; icon: typeof IconChevronUp; onClick: (() => void) | undefined }) {
  return (
    <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} disabled={onClick === undefined} onClick={onClick}>
      <Icon size={16} />
    </ActionIcon>
  );
}

function ProductionSwitch({ environment }: { environment: Environment }) {
  const t = useTexts();
  const notify = useNotify();
  const update = useApiChange('updateEnvironmentOnApplication', { changes: ENVIRONMENT_LISTS });
  const { id, applicationId = '', version = 0, production = false } = environment;
  return (
    <Tooltip label={t.applications.environment.productionHint} multiline maw={260}>
      <Switch
        size="sm"
        color="orange"
        aria-label={t.applications.environment.markProduction(environment.name)}
        label={t.applications.production}
        checked={update.isPending ? !production : production}
        disabled={update.isPending}
        onChange={(event) =>
          update.mutate(
            { params: { id: applicationId }, body: { id, version, production: event.currentTarget.checked } },
            {
              onSuccess: () => notify.success(t.applications.environment.changed(environment.name)),
              onError: notify.failure,
            },
          )
        }
      />
    </Tooltip>
  );
}
