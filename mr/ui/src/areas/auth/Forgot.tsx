import { Button } from '@mantine/core';
import { AppLink } from '@/app/navigate';
import { useTexts } from '@/texts';
import { Card } from './Card';

/** There is no mail here: administrators reset passwords. */
export default function Forgot() {
  const t = useTexts();
  return (
    <Card title={t.auth.forgotTitle} text={t.auth.forgotText}>
      <Button component={AppLink} to="/login" variant="default">
        {t.auth.toSignIn}
      </Button>
    </Card>
  );
}
