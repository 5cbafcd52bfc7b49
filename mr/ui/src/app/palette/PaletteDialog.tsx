import { Badge, Loader, Modal, Text, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { useTexts } from '@/texts';
import { type Entry, useEntries } from './entries';
import styles from './Palette.module.css';

/** A combobox over everything: typing searches, arrows choose, Enter goes. */
export default function PaletteDialog({ onClose }: { onClose: () => void }) {
  const t = useTexts().insight.palette;
  const list = useId();
  const [typed, setTyped] = useState('');
  const [chosen, setChosen] = useState(0);
  const { entries, searching, some } = useEntries(typed);
  const at = Math.min(chosen, Math.max(0, entries.length - 1));
  const run = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    onClose();
    entry.run();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step !== undefined && entries.length > 0) {
      event.preventDefault();
      setChosen((at + step + entries.length) % entries.length);
    }
    if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      event.preventDefault();
      run(entries[at]);
    }
  };
  const current = entries[at];
  return (
    <Modal.Root opened onClose={onClose} size="lg" yOffset="12vh" centered={false}>
      <Modal.Overlay />
      <Modal.Content aria-label={t.title}>
        <TextInput
          data-autofocus
          size="md"
          variant="unstyled"
          px="sm"
          role="combobox"
          aria-expanded
          aria-controls={list}
          aria-autocomplete="list"
          aria-activedescendant={current && `${list}-${at}`}
          aria-label={t.title}
          placeholder={t.placeholder}
          leftSection={<IconSearch size={18} />}
          rightSection={searching ? <Loader size={16} role="status" aria-label={t.searching} /> : null}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            setChosen(0);
          }}
          onKeyDown={onKey}
          autoComplete="off"
          spellCheck={false}
        />
        <div id={list} role="listbox" aria-label={t.title} className={styles.list}>
          {entries.map((entry, index) => (
            <Option key={entry.key} id={`${list}-${index}`} entry={entry} chosen={index === at} onChoose={() => run(entry)} onPoint={() => setChosen(index)} />
          ))}
        </div>
        {entries.length === 0 && !searching && (
          <Text p="md" c="dimmed" size="sm">
            {t.nothing(typed)}
          </Text>
        )}
        <Text size="xs" c="dimmed" px="md" py={6} className={styles.hint}>
          {t.hint} {some !== null && t.some(some.searched, some.all)}
        </Text>
      </Modal.Content>
    </Modal.Root>
  );
}

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };

interface OptionProps {
  id: string;
  entry: Entry;
  chosen: boolean;
  onChoose: () => void;
  onPoint: () => void;
}

function Option({ id, entry, chosen, onChoose, onPoint }: OptionProps) {
  const t = useTexts().insight.palette;
  const self = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (chosen) self.current?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);
  const Icon = entry.icon;
  return (
    <div ref={self} id={id} role="option" aria-selected={chosen} className={styles.option} onClick={onChoose} onPointerMove={onPoint}>
      <Icon size={18} stroke={1.6} aria-hidden />
      <div className={styles.words}>
        <Text size="sm" truncate>
          {entry.name}
        </Text>
        {(entry.within ?? entry.also) !== undefined && (
          <Text size="xs" c="dimmed" truncate>
            {[entry.within, entry.also === entry.within ? undefined : entry.also].filter(Boolean).join(' · ')}
          </Text>
        )}
      </div>
      <Badge variant="default" size="sm" radius="sm" tt="none" fw={400} style={{ flexShrink: 0 }}>
        {t.kinds[entry.kind]}
      </Badge>
    </div>
  );
}
