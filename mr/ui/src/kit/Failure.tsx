import { Alert, Button, Group, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { Problem, ToldInPlace, Unreachable } from '@/api/problem';
import { type Texts, useTexts } from '@/texts';

/** What happened and what to do about it, in words of the catalogue; the server's detail where it says more. */
export function wordsOf(error: unknown, t: Texts): { title: string; hint: string; detail: string } {
  const f = t.common.failure;
  if (error instanceof Unreachable) return { title: f.unreachable, hint: f.unreachableHint, detail: '' };
  if (!(error instanceof Problem)) {
    return { title: f.title, hint: f.faultHintPlain, detail: error instanceof Error ? error.message : String(error) };
  }
  const detail = error.detail;
  switch (error.status) {
    case 401:
      return { title: f.signedOut, hint: f.signedOutHint, detail: '' };
    case 403:
      return { title: f.forbidden, hint: f.forbiddenHint, detail };
    case 404:
      return { title: f.notFound, hint: f.notFoundHint, detail };
    case 409:
      return { title: f.conflict, hint: f.conflictHint, detail };
    case 412:
    case 422:
      return error.code === 'stale-version' || error.status === 412
        ? { title: f.stale, hint: f.staleHint, detail }
        : { title: f.malformed, hint: f.malformedHint, detail };
    case 503:
      return { title: f.busy, hint: f.busyHint, detail };
    default:
      if (error.status >= 500) {
        return { title: f.fault, hint: error.requestId ? f.faultHint(error.requestId) : f.faultHintPlain, detail: '' };
      }
      return { title: f.malformed, hint: f.malformedHint, detail: detail || faults(error) };
  }
}

function faults(error: Problem): string {
  return Object.entries(error.faults)
    .map(([field, fault]) => `${field}: ${fault}`)
    .join(' · ');
}

/** Tells a failure in place. Renders nothing without one. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const t = useTexts();
  if (error === null || error === undefined || error instanceof ToldInPlace) return null;
  const words = wordsOf(error, t);
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle />} title={words.title} role="alert">
      <Group justify="space-between" gap="sm">
        <div>
          {words.detail !== '' && <Text size="sm">{words.detail}</Text>}
          <Text size="sm">{words.hint}</Text>
        </div>
        {onRetry && (
          <Button size="xs" color="red" variant="outline" onClick={onRetry}>
            {t.common.retry}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
