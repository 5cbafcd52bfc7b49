/** Two people edit one thing: what the second is told, and how the second saves all the same. */
import { Alert, Text } from '@mantine/core';
import { useCallback, useEffect, useState } from 'react';
import { hasStatus, ToldInPlace } from '@/api/problem';
import { useTexts } from '@/texts';

export interface Versioned {
  name: string;
  description?: string;
  version?: number;
}

export interface Newest<T extends Versioned> {
  /** What to send: of what was opened, until a refusal has said that there is a newer one. */
  version: number | undefined;
  /** What is stored now, when somebody else saved after this form was opened. */
  other: T | null;
  /** Sends; a refusal because of the version looks up what is stored now, and throws `ToldInPlace`. */
  send: <R>(save: () => Promise<R>) => Promise<R>;
}

/** For forms over one thing with a version. `find` looks up what is stored now. */
export function useNewest<T extends Versioned>(form: boolean, opened: Versioned | undefined, find: () => Promise<T>): Newest<T> {
  const [other, setOther] = useState<T | null>(null);
  useEffect(() => setOther(null), [form, opened]);
  const send = useCallback(
    async <R,>(save: () => Promise<R>): Promise<R> => {
      try {
        return await save();
      } catch (refused) {
        if (!isStale(refused)) throw refused;
        setOther(await find());
        throw new ToldInPlace(refused);
      }
    },
    [find],
  );
  return { version: (other ?? opened)?.version, other, send };
}

function isStale(refused: unknown): boolean {
  return hasStatus(refused, 412, 422) || (hasStatus(refused, 409) && refused.code === 'stale-filter');
}

/** Shows the other's version. Nothing while there is none. */
export function StaleNotice({ other }: { other: Versioned | null }) {
  const t = useTexts().applications.stale;
  if (other === null) return null;
  return (
    <Alert color="orange" title={t.title} role="status">
      <Text size="sm">{t.now(other.name)}</Text>
      {other.description !== undefined && other.description !== '' && <Text size="sm">{other.description}</Text>}
      <Text size="sm" mt={4}>
        {t.again}
      </Text>
    </Alert>
  );
}
