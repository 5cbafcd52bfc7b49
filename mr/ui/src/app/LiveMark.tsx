import { Tooltip } from '@mantine/core';
import { useTexts } from '@/texts';
import { useLiveState } from './live';

const COLOURS = { live: 'teal-6', connecting: 'yellow-6', away: 'gray-5' } as const;

/** Whether changes by others are heard just now. */
export function LiveMark() {
  const state = useLiveState();
  const label = useTexts().insight.live[state];
  return (
    <Tooltip label={label}>
      <span role="img" aria-label={label} data-testid="live" data-state={state} tabIndex={0} style={{ display: 'inline-flex', padding: 6 }}>
        <svg width="10" height="10" aria-hidden>
          <circle cx="5" cy="5" r="4.5" fill={`var(--mantine-color-${COLOURS[state]})`} />
        </svg>
      </span>
    </Tooltip>
  );
}
