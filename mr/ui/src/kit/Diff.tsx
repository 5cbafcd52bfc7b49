import { Text } from '@mantine/core';
import { useMemo } from 'react';
import { useTexts } from '@/texts';
import styles from './Diff.module.css';
import { compareLines, type Line } from './lines';

const SIGNS = { same: ' ', removed: '−', added: '+' } as const;

/** Two texts line by line: what went and what came. */
export function Diff({ before, after, label }: { before: string; after: string; label: string }) {
  const t = useTexts().common;
  const lines = useMemo(() => compareLines(before, after), [before, after]);
  if (before === after) {
    return (
      <Text size="sm" c="dimmed">
        {t.diff.same}
      </Text>
    );
  }
  return (
    <div className={styles.diff} role="region" aria-label={label} tabIndex={0}>
      <table className={styles.table}>
        <tbody>
          {lines.map((line, index) => (
            <DiffLine key={index} line={line} words={t.diff} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function DiffLine({ line, words }: { line: Line; words: { removed: string; added: string } }) {
  return (
    <tr data-kind={line.kind}>
      <td className={styles.number}>{line.before ?? ''}</td>
      <td className={styles.number}>{line.after ?? ''}</td>
      <td className={styles.sign}>
        <span aria-hidden>{SIGNS[line.kind]}</span>
        {line.kind === 'same' ? null : <span className="visually-hidden">{words[line.kind]}</span>}
      </td>
      <td className={styles.text}>{line.text === '' ? ' ' : line.text}</td>
    </tr>
  );
}
