/** Who asks stands in the address as well, so that it survives a reload and can be sent to others. */
import { useEffect, useRef, useState } from 'react';
import type { Environment } from '@/api/schema';
import { type Search, useGo, useSearchParams } from '@/app/navigate';
import { type Asked, formatAttributes, parseAttributes } from './context';

const WRITTEN_MS = 400;

function fromAddress(search: Search): Asked {
  return {
    environmentId: search.environment ?? '',
    user: search.user ?? '',
    header: search.header ?? '',
    ampersand: search.ampersand === 'yes',
    at: search.at ?? '',
    attributes: parseAttributes(search.context ?? ''),
  };
}

function toAddress(asked: Asked): Search {
  return {
    environment: asked.environmentId || undefined,
    user: asked.user || undefined,
    header: asked.header || undefined,
    ampersand: asked.ampersand ? 'yes' : undefined,
    at: asked.at || undefined,
    context: formatAttributes(asked.attributes) || undefined,
  };
}

function textOf(asked: Asked): string {
  return JSON.stringify(toAddress(asked));
}

/** What is typed is kept here, and written into the address a moment later. */
export function useAsked(environments: readonly Environment[]): [Asked, (change: Partial<Asked>) => void] {
  const go = useGo();
  const search = useSearchParams();
  const latest = useRef(search);
  const [asked, setAsked] = useState(() => fromAddress(search));
  const written = useRef(textOf(asked));
  const addressed = textOf(fromAddress(search));
  useEffect(() => {
    latest.current = search;
  }, [search]);
  useEffect(() => {
    // A link, or the way back in the browser; what was written from here is known.
    if (addressed === written.current) return;
    written.current = addressed;
    setAsked(fromAddress(latest.current));
  }, [addressed]);
  useEffect(() => {
    const text = textOf(asked);
    if (text === written.current) return undefined;
    const timer = setTimeout(() => {
      written.current = text;
      void go('/playground', { search: { ...latest.current, ...toAddress(asked) }, replace: true });
    }, WRITTEN_MS);
    return () => clearTimeout(timer);
  }, [asked, go]);
  const known = environments.some((each) => each.id === asked.environmentId);
  const complete = known ? asked : { ...asked, environmentId: environments[0]?.id ?? '' };
  return [complete, (change) => setAsked((before) => ({ ...before, ...change }))];
}
