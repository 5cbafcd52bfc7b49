import { Box, Center, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import type { ReactNode } from 'react';
import { address } from '@/api/client';
import { LanguageMenu, SchemeSwitch } from '@/app/TopBar';
import { useTexts } from '@/texts';

interface CardProps {
  title: string;
  text?: string | undefined;
  width?: number;
  children?: ReactNode;
}

/** What stands around everything that is shown without a session. */
export function Card({ title, text, width = 440, children }: CardProps) {
  const t = useTexts();
  useDocumentTitle(`${title} · ${t.frame.product}`);
  return (
    <Box mih="100vh" bg="light-dark(var(--mantine-color-gray-0), var(--mantine-color-dark-8))">
      <Group justify="space-between" p="md" component="header">
        <Group gap={8}>
          <img src={address('/burgee.svg')} alt="" width={28} height={28} />
          <Text fw={700}>{t.frame.product}</Text>
        </Group>
        <Group gap={4}>
          <SchemeSwitch />
          <LanguageMenu />
        </Group>
      </Group>
      <Center component="main" px="md" pt="6vh" pb="xl">
        <Paper withBorder shadow="sm" p="xl" w="100%" maw={width} radius="md">
          <Stack gap="md">
            <div>
              <Title order={1} size="h3">
                {title}
              </Title>
              {text && (
                <Text c="dimmed" size="sm" mt={4}>
                  {text}
                </Text>
              )}
            </div>
            {children}
          </Stack>
        </Paper>
      </Center>
    </Box>
  );
}
