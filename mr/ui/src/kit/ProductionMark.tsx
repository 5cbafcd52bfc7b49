import { Badge } from '@mantine/core';
import { useTexts } from '@/texts';

/** Says that an environment is what customers use. Nothing beside others. */
export function ProductionMark({ environment }: { environment: { production?: boolean } }) {
  const t = useTexts();
  if (environment.production !== true) return null;
  return (
    <Badge color="orange" variant="light" size="sm" radius="sm" style={WARNING}>
      {t.applications.production}
    </Badge>
  );
}

/** Orange on its own tint is too faint for small letters. */
export const WARNING = { color: 'light-dark(#8a2c0d, #ffc078)' };
