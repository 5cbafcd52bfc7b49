/** A list whose order people change by dragging, or by the keyboard: Space takes, arrows move, Space drops. */
import {
  type Announcements,
  closestCenter,
  DndContext,
  type DragEndEvent,
  KeyboardSensor,
  PointerSensor,
  useSensor,
  useSensors,
} from '@dnd-kit/core';
import {
  SortableContext,
  sortableKeyboardCoordinates,
  useSortable,
  verticalListSortingStrategy,
} from '@dnd-kit/sortable';
import { CSS } from '@dnd-kit/utilities';
import { ActionIcon, Box, Group, Paper } from '@mantine/core';
import { IconGripVertical } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTexts } from '@/texts';

interface SortableListProps<T> {
  items: readonly T[];
  id: (item: T) => string;
  /** How the item is called in announcements. */
  name: (item: T) => string;
  onMove: (from: number, to: number) => void;
  render: (item: T, index: number) => ReactNode;
  disabled: boolean;
}

export function SortableList<T>({ items, id, name, onMove, render, disabled }: SortableListProps<T>) {
  const t = useTexts().features.sorting;
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 4 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );
  const ids = items.map(id);
  const nameOf = (wanted: string | number) => name(items[ids.indexOf(String(wanted))] as T);
  const placeOf = (wanted: string | number) => ids.indexOf(String(wanted)) + 1;
  const announcements: Announcements = {
    onDragStart: ({ active }) => t.taken(nameOf(active.id), placeOf(active.id), ids.length),
    onDragOver: ({ active, over }) =>
      over === null ? undefined : t.moved(nameOf(active.id), placeOf(over.id), ids.length),
    onDragEnd: ({ active, over }) => t.dropped(nameOf(active.id), placeOf(over?.id ?? active.id), ids.length),
    onDragCancel: ({ active }) => t.cancelled(nameOf(active.id)),
  };
  const end = ({ active, over }: DragEndEvent) => {
    if (over === null || active.id === over.id) return;
    onMove(ids.indexOf(String(active.id)), ids.indexOf(String(over.id)));
  };
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={closestCenter}
      onDragEnd={end}
      accessibility={{ announcements, screenReaderInstructions: { draggable: t.instructions } }}
    >
      <SortableContext items={ids} strategy={verticalListSortingStrategy}>
        <Box component="ol" m={0} p={0} style={{ listStyle: 'none', display: 'grid', gap: 6 }}>
          {items.map((item, index) => (
            <Sortable key={id(item)} id={id(item)} label={t.handle(name(item))} disabled={disabled || items.length < 2}>
              {render(item, index)}
            </Sortable>
          ))}
        </Box>
      </SortableContext>
    </DndContext>
  );
}

function Sortable({
  id,
  label,
  disabled,
  children,
}: {
  id: string;
  label: string;
  disabled: boolean;
  children: ReactNode;
}) {
  const { attributes, listeners, setNodeRef, setActivatorNodeRef, transform, transition, isDragging } = useSortable({
    id,
    disabled,
  });
  const style = {
    transform: CSS.Translate.toString(transform),
    transition: transition ?? undefined,
    zIndex: isDragging ? 2 : undefined,
    position: 'relative' as const,
  };
  return (
    <Paper component="li" ref={setNodeRef} withBorder p="xs" style={style} shadow={isDragging ? 'md' : undefined}>
      <Group gap={6} wrap="nowrap" align="flex-start">
        {disabled ? null : (
          <ActionIcon
            ref={setActivatorNodeRef}
            variant="subtle"
            color="gray"
            aria-label={label}
            style={{ cursor: 'grab', touchAction: 'none' }}
            {...attributes}
            {...listeners}
          >
            <IconGripVertical size={16} />
          </ActionIcon>
        )}
        <Box flex={1} miw={0}>
          {children}
        </Box>
      </Group>
    </Paper>
  );
}
