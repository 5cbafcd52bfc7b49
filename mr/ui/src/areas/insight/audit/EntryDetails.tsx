/** One entry in full: each member before and after, where it happened, and its place in the chain. */
import { Box, Code, Group, Stack, Text } from '@mantine/core';
import type { AuditEntry } from '@/api/schema';
import { CopyIcon, Diff, Moment } from '@/kit';
import { useTexts } from '@/texts';
import { laidOut, type MemberChange, memberChanges } from './changes';

export function EntryDetails({ entry }: { entry: AuditEntry }) {
  const t = useTexts().insight.audit;
  const members = memberChanges(entry.changes);
  return (
    <Stack gap="sm" p="sm" pl={44}>
      {members.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.noMembers}
        </Text>
      )}
      {members.map((member) => (
        <Member key={member.name} member={member} />
      ))}
      <Group gap="md" fz="xs" c="dimmed">
        <span>
          <Moment time={entry.at} />
        </span>
        {entry.operation !== undefined && <span>{t.operation(entry.operation)}</span>}
        <Group gap={2} component="span">
          {t.id(entry.object.id)} <CopyIcon value={entry.object.id} label={t.copyId} />
        </Group>
        {entry.requestId !== undefined && <span>{t.request(entry.requestId)}</span>}
        <span>{entry.seal === undefined ? t.notSealed : t.sealed(entry.seal.position)}</span>
      </Group>
    </Stack>
  );
}

function Member({ member }: { member: MemberChange }) {
  const t = useTexts().insight.audit;
  if (!member.short) {
    return (
      <Box>
        <Text size="sm" fw={500} ff="monospace">
          {member.name}
        </Text>
        <Diff before={laidOut(member.before)} after={laidOut(member.after)} label={t.changeOf(member.name)} />
      </Box>
    );
  }
  return (
    <Group gap="xs">
      <Text size="sm" fw={500} ff="monospace">
        {member.name}
      </Text>
      <Side value={member.before} words={t.before} />
      <Text size="sm" aria-hidden>
        →
      </Text>
      <Side value={member.after} words={t.after} />
    </Group>
  );
}

function Side({ value, words }: { value: unknown; words: string }) {
  const t = useTexts().insight.audit;
  return (
    <>
      <span className="visually-hidden">{words}</span>
      {value === undefined || value === null ? (
        <Text size="sm" c="dimmed">
          {t.nothing}
        </Text>
      ) : (
        <Code fz="sm">{typeof value === 'string' ? value : JSON.stringify(value)}</Code>
      )}
    </>
  );
}
