import { Button, Code, Text } from '@mantine/core';
import { AppLink, useSearchParams } from '@/app/navigate';
import { useTexts } from '@/texts';
import { Card } from './Card';

/** An identity provider did not admit somebody. */
export default function Failed() {
  const t = useTexts();
  const { reason } = useSearchParams();
  const known = reason === undefined ? undefined : t.auth.failedReasons[reason];
  return (
    <Card title={t.auth.failedTitle} text={known ?? t.auth.failedText}>
      {reason !== undefined && known === undefined && (
        <Text size="sm">
          {t.auth.failedReason} <Code>{reason}</Code>
        </Text>
      )}
      <Button component={AppLink} to="/login">
        {t.auth.toSignIn}
      </Button>
    </Card>
  );
}
