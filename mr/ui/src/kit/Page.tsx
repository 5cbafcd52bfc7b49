import { Anchor, Box, Breadcrumbs, Group, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import type { ReactNode } from 'react';
import { AppLink } from '@/app/navigate';
import { useTexts } from '@/texts';

interface PageProps {
  title: string;
  /** One line below the title. */
  lead?: ReactNode;
  /** The way back: names and addresses from the outside in, without this page. */
  breadcrumbs?: readonly { label: string; to: string; search?: Record<string, string> }[];
  /** Buttons beside the title. */
  actions?: ReactNode;
  /** Fill the window's height: for grids that scroll by themselves. */
  fill?: boolean;
  children: ReactNode;
}

/** The frame of every screen: heading, way back, actions; also names the browser's tab. */
export function Page({ title, lead, breadcrumbs = [], actions, fill, children }: PageProps) {
  const t = useTexts();
  useDocumentTitle(`${title} · ${t.frame.product}`);
  return (
    <Stack gap="md" h={fill ? '100%' : undefined} style={fill ? { minHeight: 0 } : undefined}>
      <Box>
        {breadcrumbs.length > 0 && (
          <Breadcrumbs mb={4} fz="sm">
            {breadcrumbs.map((step) => (
              <Anchor key={step.to} component={AppLink} to={step.to} search={step.search} size="sm">
                {step.label}
              </Anchor>
            ))}
          </Breadcrumbs>
        )}
        <Group justify="space-between" align="center" gap="sm">
          <Title order={1} size="h2">
            {title}
          </Title>
          {actions && <Group gap="xs">{actions}</Group>}
        </Group>
        {lead && (
          <Text c="dimmed" size="sm" mt={2} component="div">
            {lead}
          </Text>
        )}
      </Box>
      {children}
    </Stack>
  );
}
