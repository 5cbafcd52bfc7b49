/** The strategy editor in a dialog that does not lose input: an edited one closes by its buttons alone. */
import { Button, Group, Modal, Stack } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { Failure } from '@/kit';
import { useTexts } from '@/texts';
import type { StrategyDraft } from './draft';
import { strategyFault } from './rules';
import { StrategyEditor } from './StrategyEditor';

export interface StrategyDialogProps<T extends StrategyDraft> {
  title: string;
  initial: T;
  /** Takes the strategy; a rejected promise keeps the dialog open. */
  onSave: (draft: T) => void | Promise<void>;
  onClose: () => void;
  /** What else the strategy has, such as the value it serves. */
  extra?: (draft: T, set: (next: T) => void) => ReactNode;
  /** Whether `extra` is filled in properly. */
  extraValid?: (draft: T) => boolean;
  serverFaults?: ReadonlyMap<string, string>;
  /** What the button says; "Save" where that is what it does. */
  saveLabel?: string;
  readOnly?: boolean;
}

export function StrategyDialog<T extends StrategyDraft>(props: StrategyDialogProps<T>) {
  const t = useTexts();
  const [initial] = useState(props.initial);
  const [draft, setDraft] = useState(initial);
  const [strict, setStrict] = useState(props.serverFaults !== undefined && props.serverFaults.size > 0);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const valid = strategyFault(draft) === null && (props.extraValid?.(draft) ?? true);
  const save = async () => {
    setStrict(true);
    if (!valid) return;
    setBusy(true);
    setError(null);
    try {
      await props.onSave(draft);
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      onClose={props.onClose}
      title={props.title}
      size="xl"
      closeOnClickOutside={false}
      closeOnEscape={draft === initial}
      closeButtonProps={{ 'aria-label': t.common.close }}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          // A dialog inside a form's tree would submit that one as well.
          event.stopPropagation();
          void save();
        }}
      >
        <Stack gap="md">
          <Failure error={error} />
          <StrategyEditor
            value={draft}
            onChange={(next) => setDraft({ ...draft, ...next })}
            strict={strict}
            {...(props.serverFaults === undefined ? {} : { serverFaults: props.serverFaults })}
            readOnly={props.readOnly ?? false}
          />
          {props.extra?.(draft, setDraft)}
          <Group justify="flex-end">
            <Button variant="default" onClick={props.onClose}>
              {props.readOnly ? t.common.close : t.common.cancel}
            </Button>
            {props.readOnly ? null : (
              <Button type="submit" loading={busy}>
                {props.saveLabel ?? t.common.save}
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
