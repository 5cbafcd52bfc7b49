import { Button, Group, Input, Text } from '@mantine/core';
import { useId, useMemo, useRef, type UIEvent } from 'react';
import { useTexts } from '@/texts';
import styles from './JsonEditor.module.css';
import { compactJson, formatJson, jsonFault, tokens } from './json';

interface JsonEditorProps {
  label: string;
  description?: string;
  value: string;
  onChange: (text: string) => void;
  /** From the server; what is wrong with the syntax is found here. */
  error?: string | undefined;
  readOnly?: boolean;
  minRows?: number;
}

/** Colouring a long document takes time at each letter; beyond this it is plain. */
const LONGEST_COLOURED = 20_000;

/** Edits a JSON document: line numbers, colours, checking while typing, laying out. An empty text is fine. */
export function JsonEditor({
  label,
  description,
  value,
  onChange,
  error,
  readOnly = false,
  minRows = 6,
}: JsonEditorProps) {
  const t = useTexts().common.json;
  const id = useId();
  const painted = useRef<HTMLPreElement>(null);
  const numbers = useRef<HTMLDivElement>(null);
  const empty = value.trim() === '';
  const fault = useMemo(() => (empty ? null : jsonFault(value)), [empty, value]);
  const lines = value.split('\n').length;
  const follow = (event: UIEvent<HTMLTextAreaElement>) => {
    const { scrollTop, scrollLeft } = event.currentTarget;
    if (painted.current !== null) Object.assign(painted.current, { scrollTop, scrollLeft });
    if (numbers.current !== null) numbers.current.scrollTop = scrollTop;
  };
  const syntax =
    fault === null
      ? undefined
      : fault.line === null
        ? t.invalid(fault.message)
        : t.invalidAt(fault.line, fault.message);
  return (
    <Input.Wrapper id={id} label={label} description={description} error={error ?? syntax}>
      <div className={styles.editor} data-invalid={fault !== null || error !== undefined}>
        <div ref={numbers} className={styles.numbers} aria-hidden>
          {Array.from({ length: lines }, (_, index) => (
            <div key={index} data-fault={fault?.line === index + 1}>
              {index + 1}
            </div>
          ))}
        </div>
        <div className={styles.page}>
          <pre ref={painted} className={styles.painted} aria-hidden>
            <Painted text={value} />
          </pre>
          <textarea
            id={id}
            className={styles.text}
            value={value}
            onChange={(event) => onChange(event.currentTarget.value)}
            onScroll={follow}
            rows={Math.max(minRows, Math.min(24, lines + 1))}
            spellCheck={false}
            autoComplete="off"
            autoCapitalize="off"
            wrap="off"
            readOnly={readOnly}
            aria-invalid={fault !== null || error !== undefined}
          />
        </div>
      </div>
      <Group justify="space-between" mt={4} gap="xs">
        <Text size="xs" c="dimmed" aria-live="polite">
          {empty ? t.empty : fault === null ? t.valid : ''}
        </Text>
        {readOnly ? null : (
          <Group gap={4}>
            <Button
              size="compact-xs"
              variant="subtle"
              disabled={empty || fault !== null}
              onClick={() => onChange(formatJson(value))}
            >
              {t.format}
            </Button>
            <Button
              size="compact-xs"
              variant="subtle"
              disabled={empty || fault !== null}
              onClick={() => onChange(compactJson(value))}
            >
              {t.compact}
            </Button>
          </Group>
        )}
      </Group>
    </Input.Wrapper>
  );
}

function Painted({ text }: { text: string }) {
  const parts = useMemo(() => (text.length > LONGEST_COLOURED ? null : tokens(text)), [text]);
  // The last line needs something to stand on, or it is not scrolled to.
  if (parts === null)
    return (
      <>
        {text}
        {'\n'}
      </>
    );
  return (
    <>
      {parts.map((part, index) => (
        <span key={index} data-token={part.kind}>
          {part.text}
        </span>
      ))}
      {'\n'}
    </>
  );
}
