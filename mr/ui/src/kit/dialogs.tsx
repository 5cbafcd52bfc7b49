import { Button, Group, Modal, type ModalProps, Stack, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { useTexts } from '@/texts';
import { Failure } from './Failure';

interface FormDialogProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** Sends the input. The dialog closes when it resolves, and stays with its input when it throws. */
  onSubmit: () => Promise<unknown>;
  submitLabel?: string;
  /** Nothing can be sent yet. */
  incomplete?: boolean;
  danger?: boolean;
  size?: ModalProps['size'];
  /** What can be typed here is worth nothing: Escape closes at any time. */
  fleeting?: boolean;
  children: (error: unknown) => ReactNode;
}

/** A form in a dialog. Neither a click beside it nor, once something was put in, Escape throws that away. */
export function FormDialog(props: FormDialogProps) {
  const { opened, onClose, title, onSubmit, submitLabel, incomplete, danger, size, fleeting = false, children } = props;
  const t = useTexts();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [touched, setTouched] = useState(false);
  useEffect(() => {
    if (!opened) return;
    setError(null);
    setTouched(false);
  }, [opened]);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    // Dialogs are portals: the event would bubble to a form around them.
    event.stopPropagation();
    if (busy || incomplete) return;
    setBusy(true);
    setError(null);
    try {
      await onSubmit();
      onClose();
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={title}
      size={size}
      closeOnClickOutside={false}
      closeOnEscape={fleeting || !touched}
      closeButtonProps={{ 'aria-label': t.common.close }}
    >
      <form
        onSubmit={submit}
        noValidate
        onChange={() => setTouched(true)}
        // What is chosen from a list changes no field of the form's own.
        onClick={(event) => isOption(event.target) && setTouched(true)}
      >
        <Stack gap="sm">
          <Failure error={error} />
          {children(error)}
          <Group justify="flex-end" mt="xs">
            <Button variant="default" onClick={onClose}>
              {t.common.cancel}
            </Button>
            <Button type="submit" loading={busy} disabled={incomplete} color={danger ? 'red' : undefined}>
              {submitLabel ?? t.common.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function isOption(target: EventTarget): boolean {
  return target instanceof Element && target.closest('[role=option]') !== null;
}

interface ConfirmDialogProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  confirmLabel: string;
  onConfirm: () => Promise<unknown>;
  /** What has to be typed first: for what cannot be undone, and for production. */
  typed?: string;
  danger?: boolean;
  children: ReactNode;
}

/** Asks before something happens; says what will. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { opened, onClose, title, confirmLabel, onConfirm, typed, danger = true, children } = props;
  const t = useTexts();
  const [text, setText] = useState('');
  useEffect(() => {
    if (opened) setText('');
  }, [opened]);
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={title}
      onSubmit={onConfirm}
      submitLabel={confirmLabel}
      incomplete={typed !== undefined && text.trim() !== typed}
      danger={danger}
      fleeting
    >
      {() => (
        <>
          <div>{children}</div>
          {typed !== undefined && (
            <TextInput
              data-autofocus
              label={t.common.typeToConfirm(typed)}
              value={text}
              autoComplete="off"
              onChange={(event) => setText(event.currentTarget.value)}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}
