import { ActionIcon, Anchor, Badge, Collapse, Group, Menu, Table, Text } from '@mantine/core';
import { IconChevronDown, IconChevronRight, IconDots } from '@tabler/icons-react';
import { useState } from 'react';
import type { AuditEntry, AuditObject } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { usePlace } from '@/app/place';
import { Ago } from '@/kit';
import { useTexts } from '@/texts';
import { summary } from './changes';
import { EntryDetails } from './EntryDetails';
import { type Action, ACTIONS, type FilterName, isKind } from './filters';
import { linkTo } from './links';

const COLOURS: Readonly<Record<Action, string>> = { create: 'teal', update: 'blue', delete: 'red', restore: 'grape' };

interface EntryTableProps {
  entries: readonly AuditEntry[];
  faded: boolean;
  onFilter: (change: Partial<Record<FilterName, string | undefined>>) => void;
}

export function EntryTable({ entries, faded, onFilter }: EntryTableProps) {
  const t = useTexts().insight.audit;
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table
        aria-label={t.title}
        aria-busy={faded || undefined}
        verticalSpacing={6}
        style={{ opacity: faded ? 0.6 : 1 }}
      >
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={36}>
              <span className="visually-hidden">{t.details}</span>
            </Table.Th>
            <Table.Th w={130}>{t.when}</Table.Th>
            <Table.Th>{t.who}</Table.Th>
            <Table.Th w={110}>{t.action}</Table.Th>
            <Table.Th>{t.object}</Table.Th>
            <Table.Th w={44}>
              <span className="visually-hidden">{t.more}</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => (
            <Entry key={entry.number} entry={entry} onFilter={onFilter} />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function isAction(text: string): text is Action {
  return (ACTIONS as readonly string[]).includes(text);
}

function Entry({ entry, onFilter }: { entry: AuditEntry; onFilter: EntryTableProps['onFilter'] }) {
  const t = useTexts().insight.audit;
  const [opened, setOpened] = useState(false);
  const { object, actor } = entry;
  const name = object.name ?? object.id;
  const link = linkTo(object);
  const where = usePlaceName(object);
  const Chevron = opened ? IconChevronDown : IconChevronRight;
  return (
    <>
      <Table.Tr data-number={entry.number}>
        <Table.Td>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t.detailsOf(name)}
            aria-expanded={opened}
            onClick={() => setOpened(!opened)}
          >
            <Chevron size={16} />
          </ActionIcon>
        </Table.Td>
        <Table.Td>
          <Text size="sm" component="span">
            <Ago time={entry.at} />
          </Text>
        </Table.Td>
        <Table.Td>
          <Text size="sm">{actor.name ?? t.actors[actor.kind] ?? actor.kind}</Text>
        </Table.Td>
        <Table.Td>
          <Badge variant="light" radius="sm" color={isAction(entry.action) ? COLOURS[entry.action] : 'gray'}>
            {isAction(entry.action) ? t.actions[entry.action] : entry.action}
          </Badge>
        </Table.Td>
        <Table.Td style={{ overflowWrap: 'anywhere' }}>
          <Group gap={6}>
            {link === null || entry.action === 'delete' ? (
              <Text size="sm" fw={500}>
                {name}
              </Text>
            ) : (
              <Anchor component={AppLink} to={link.to} search={link.search} size="sm" fw={500}>
                {name}
              </Anchor>
            )}
            <Text size="sm" c="dimmed">
              {isKind(object.kind) ? t.kinds[object.kind] : object.kind}
            </Text>
            {where !== undefined && <Text size="sm">{t.within(where)}</Text>}
            {entry.action === 'update' && (
              <Text size="xs" c="dimmed" truncate maw={320}>
                {t.changed(summary(entry.changes))}
              </Text>
            )}
          </Group>
        </Table.Td>
        <Table.Td>
          <MoreLikeIt entry={entry} onFilter={onFilter} />
        </Table.Td>
      </Table.Tr>
      <Table.Tr style={opened ? undefined : { borderBottom: 'none' }}>
        <Table.Td colSpan={6} p={0}>
          <Collapse expanded={opened}>{opened && <EntryDetails entry={entry} />}</Collapse>
        </Table.Td>
      </Table.Tr>
    </>
  );
}

/** The environment or the application of an object that is in one, by name: those of the portfolio are known. */
function usePlaceName({ kind, environmentId, applicationId }: AuditObject): string | undefined {
  const { applications } = usePlace();
  if (kind === 'application' || kind === 'environment') return undefined;
  const application = applications.find((each) => each.id === applicationId);
  return application?.environments.find((each) => each.id === environmentId)?.name ?? application?.name;
}

function MoreLikeIt({ entry, onFilter }: { entry: AuditEntry; onFilter: EntryTableProps['onFilter'] }) {
  const t = useTexts().insight.audit;
  const { object, actor } = entry;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t.more}>
          <IconDots size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => onFilter({ objectId: object.id })}>{t.ofThisObject}</Menu.Item>
        {actor.id !== undefined && (
          <Menu.Item onClick={() => onFilter({ actor: actor.id })}>{t.byThisPerson}</Menu.Item>
        )}
        {object.environmentId !== undefined && (
          <Menu.Item
            onClick={() =>
              onFilter({ inEnvironment: object.environmentId, inApplication: undefined, inPortfolio: undefined })
            }
          >
            {t.inThisEnvironment}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
