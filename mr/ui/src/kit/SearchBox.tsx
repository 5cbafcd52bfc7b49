import { CloseButton, TextInput, type TextInputProps } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { useTexts } from '@/texts';

interface SearchBoxProps extends Omit<TextInputProps, 'value' | 'onChange' | 'defaultValue'> {
  value: string;
  onChange: (text: string) => void;
  /** How long to wait for the next letter; 0 for lists that are searched in memory. */
  wait?: number;
}

/** The search of a list. `/` focuses the first one of the screen, Escape clears it. */
export function SearchBox({ value, onChange, wait = 250, ...rest }: SearchBoxProps) {
  const t = useTexts();
  const [text, setText] = useState(value);
  const told = useRef<string[]>([]);
  const tell = (next: string) => {
    told.current.push(next);
    onChange(next);
  };
  const later = useDebouncedCallback(tell, wait);
  // The address or a button may set it from outside. What was told from here comes back a moment later, when more
  // may have been typed.
  useEffect(() => {
    const at = told.current.indexOf(value);
    told.current = at < 0 ? [] : told.current.slice(at + 1);
    if (at < 0) setText(value);
  }, [value]);
  const change = (next: string) => {
    setText(next);
    if (wait === 0) tell(next);
    else later(next);
  };
  return (
    <TextInput
      type="search"
      aria-label={t.common.search}
      placeholder={t.common.search}
      leftSection={<IconSearch size={16} />}
      rightSection={text !== '' && <CloseButton size="sm" aria-label={t.common.clear} onClick={() => change('')} />}
      w={280}
      {...rest}
      data-search
      value={text}
      onChange={(event) => change(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && text !== '') {
          event.stopPropagation();
          change('');
        }
      }}
    />
  );
}
