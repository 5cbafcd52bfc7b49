/** Two small pictures: bars of requests by kind, and a line of connected streams. Tables say the same in numbers. */
import { Group, Text, useMantineTheme } from '@mantine/core';
import { type ReactNode, useId, useState } from 'react';
import { useLanguage } from '@/app/language';
import { useTexts } from '@/texts';
import { ceiling, type Kind, KINDS, requests, type Slot } from './series';

const WIDTH = 600;
const HEIGHT = 120;
const BASE = HEIGHT - 4;

export function useColours(): Record<Kind, string> {
  const { colors } = useMantineTheme();
  const of = (name: string, shade: number) => colors[name]?.[shade] ?? 'currentColor';
  return { polls: of('sea', 7), unchanged: of('sea', 4), streamsOpened: of('grape', 6), updates: of('orange', 6) };
}

export function useMomentWords(): (at: number) => string {
  const { locale } = useLanguage();
  const format = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
  return (at) => format.format(new Date(at));
}

interface ChartProps {
  slots: readonly Slot[];
  label: string;
}

export function RequestChart({ slots, label }: ChartProps) {
  const colours = useColours();
  const top = ceiling(Math.max(...slots.map(requests)));
  const width = WIDTH / slots.length;
  return (
    <Frame slots={slots} label={label} top={top}>
      {slots.map((slot, index) => {
        let height = 0;
        return KINDS.map((kind) => {
          const part = (slot[kind] / top) * BASE;
          height += part;
          return part === 0 ? null : (
            <rect key={`${slot.at}-${kind}`} x={index * width + 0.5} y={BASE - height} width={Math.max(1, width - 1)} height={part} fill={colours[kind]} />
          );
        });
      })}
    </Frame>
  );
}

export function StreamChart({ slots, label }: ChartProps) {
  const top = ceiling(Math.max(...slots.map((slot) => slot.streams)));
  const width = WIDTH / slots.length;
  const points = slots.map((slot, index) => `${(index + 0.5) * width},${BASE - (slot.streams / top) * BASE}`).join(' ');
  return (
    <Frame slots={slots} label={label} top={top}>
      <polygon points={`${width / 2},${BASE} ${points} ${WIDTH - width / 2},${BASE}`} fill="var(--mantine-color-teal-6)" opacity={0.2} />
      <polyline points={points} fill="none" stroke="var(--mantine-color-teal-6)" strokeWidth={2} vectorEffect="non-scaling-stroke" />
    </Frame>
  );
}

interface FrameProps extends ChartProps {
  top: number;
  children: ReactNode;
}

/** The axis, and what is under the pointer. */
function Frame({ slots, label, top, children }: FrameProps) {
  const t = useTexts().insight.usage;
  const words = useMomentWords();
  const id = useId();
  const [over, setOver] = useState<number | null>(null);
  const slot = over === null ? undefined : slots[over];
  const width = WIDTH / slots.length;
  return (
    <figure style={{ margin: 0 }} aria-labelledby={id}>
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={500} component="figcaption" id={id}>
          {label}
        </Text>
        <Text size="xs" c="dimmed" aria-hidden>
          {slot === undefined ? t.upTo(top) : t.atMoment(words(slot.at), requests(slot), Math.round(slot.streams * 10) / 10)}
        </Text>
      </Group>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        width="100%"
        height={HEIGHT}
        preserveAspectRatio="none"
        aria-hidden
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          setOver(Math.min(slots.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * slots.length))));
        }}
        onPointerLeave={() => setOver(null)}
      >
        <line x1="0" x2={WIDTH} y1={BASE / 2} y2={BASE / 2} stroke="var(--mantine-color-default-border)" strokeDasharray="3 4" vectorEffect="non-scaling-stroke" />
        <line x1="0" x2={WIDTH} y1={BASE} y2={BASE} stroke="var(--mantine-color-default-border)" vectorEffect="non-scaling-stroke" />
        {over !== null && <rect x={over * width} y="0" width={width} height={BASE} fill="var(--mantine-color-default-border)" opacity={0.6} />}
        {children}
      </svg>
      <Group justify="space-between" aria-hidden>
        {[slots[0], slots[Math.floor(slots.length / 2)], slots.at(-1)].map((each, index) => (
          <Text key={index} size="xs" c="dimmed">
            {each && words(each.at)}
          </Text>
        ))}
      </Group>
    </figure>
  );
}
