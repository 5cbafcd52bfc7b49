import { Button, Code, Text } from '@mantine/core';
import { AppLink, useSearchParams } from '@/app/navigate';
import { useTexts } from '@/texts';
import { Card } from './Card';

/** An identity provider did not admit somebody. */
export default function Failed() {
  const t = useTexts();
  const { reason } = useSearchParams();
  return (
    <Card title={t.auth.failedTitle} text={t.auth.failedText}>
      {reason !== undefined && (
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
