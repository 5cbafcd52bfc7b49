import { Textarea, TextInput } from '@mantine/core';
import { faultOf } from '@/api/problem';
import { useTexts } from '@/texts';

export interface Named {
  name: string;
  description: string;
}

interface NamedFieldsProps {
  value: Named;
  onChange: (value: Named) => void;
  /** Of the last attempt: what the server says about the fields. */
  error: unknown;
  nameMax: number;
  descriptionMax: number;
  nameHint?: string;
}

/** A name and a description: what most things of the platform are created with. */
export function NamedFields({ value, onChange, error, nameMax, descriptionMax, nameHint }: NamedFieldsProps) {
  const t = useTexts();
  return (
    <>
      <TextInput
        data-autofocus
        required
        label={t.common.name}
        description={nameHint}
        value={value.name}
        maxLength={nameMax}
        error={faultOf(error, 'name')}
        onChange={(event) => onChange({ ...value, name: event.currentTarget.value })}
      />
      <Textarea
        label={t.common.description}
        autosize
        minRows={2}
        maxRows={6}
        value={value.description}
        maxLength={descriptionMax}
        error={faultOf(error, 'description')}
        onChange={(event) => onChange({ ...value, description: event.currentTarget.value })}
      />
    </>
  );
}
