import { PasswordInput, Progress, Text } from '@mantine/core';
import { useState } from 'react';
import { useTexts } from '@/texts';
import { strength } from './strength';

const COLORS = ['red', 'orange', 'yellow', 'lime', 'teal'];

interface NewPasswordProps {
  value: string;
  /** Told the password and whether it may be sent: both fields agree and it is long enough. */
  onChange: (password: string, fit: boolean) => void;
  error?: string;
  minLength?: number;
}

/** A new password, twice, with how strong it looks. The server has the last word. */
export function NewPassword({ value, onChange, error, minLength = 7 }: NewPasswordProps) {
  const t = useTexts();
  const [again, setAgain] = useState('');
  const tell = (password: string, repeated: string) =>
    onChange(password, password.length >= minLength && password === repeated);
  const score = strength(value);
  return (
    <>
      <div>
        <PasswordInput
          label={t.auth.newPassword}
          autoComplete="new-password"
          value={value}
          error={error}
          description={t.auth.passwordRule(minLength)}
          onChange={(event) => tell(event.currentTarget.value, again)}
        />
        {value !== '' && (
          <>
            <Progress mt={6} size="xs" value={(score + 1) * 20} color={COLORS[score]} aria-hidden />
            <Text size="xs" c="dimmed" mt={2} aria-live="polite">
              {t.auth.strength(t.auth.strengths[score] ?? '')}
            </Text>
          </>
        )}
      </div>
      <PasswordInput
        label={t.auth.repeatPassword}
        autoComplete="new-password"
        value={again}
        error={again !== '' && again !== value ? t.auth.passwordsDiffer : undefined}
        onChange={(event) => {
          setAgain(event.currentTarget.value);
          tell(value, event.currentTarget.value);
        }}
      />
    </>
  );
}
