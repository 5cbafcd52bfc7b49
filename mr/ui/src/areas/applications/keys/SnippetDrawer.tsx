import { Box, Code, Drawer, Group, NavLink, Select, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useApi } from '@/api/hooks';
import type { Application } from '@/api/schema';
import { remember, remembered } from '@/app/memory';
import { CopyIcon } from '@/kit/CopyField';
import { useTexts } from '@/texts';
import { type FeatureType, type Snippet, type SnippetId, snippets } from '../snippets';

interface SnippetDrawerProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  application: Application;
  clientKey: string;
  serverKey: string;
}

/** Code that reads a feature with an account's keys, for every SDK. */
export function SnippetDrawer(props: SnippetDrawerProps) {
  const t = useTexts();
  return (
    <Drawer
      opened={props.opened}
      onClose={props.onClose}
      title={props.title}
      position="right"
      size="xl"
      closeButtonProps={{ 'aria-label': t.common.close }}
    >
      <Snippets {...props} />
    </Drawer>
  );
}

function Snippets({ application, clientKey, serverKey }: SnippetDrawerProps) {
  const t = useTexts();
  const [edgeUrl, setEdgeUrl] = useState(edgeAddress);
  const [chosen, setChosen] = useState(() => (remembered('sdk') ?? 'node') as SnippetId);
  const features = useApi('getAllFeaturesForApplication', { id: application.id }, { staleTime: 30_000 });
  const [wanted, setWanted] = useState<string | null>(null);
  const known = (features.data ?? []).filter((each) => each.key !== undefined);
  const feature =
    known.find((each) => each.key === wanted) ?? known.find((each) => each.valueType === 'BOOLEAN') ?? known[0];
  const all = snippets({
    edgeUrl,
    clientKey,
    serverKey,
    featureKey: feature?.key ?? t.applications.snippets.exampleFeature,
    featureType: (feature?.valueType ?? 'BOOLEAN') satisfies FeatureType,
  });
  const snippet = all.find((each) => each.id === chosen) ?? all[0];
  return (
    <Stack gap="md">
      <Group grow align="flex-start">
        <TextInput
          label={t.applications.snippets.edge}
          description={t.applications.snippets.edgeHint}
          value={edgeUrl}
          onChange={(event) => {
            setEdgeUrl(event.currentTarget.value);
            remember('edge-url', event.currentTarget.value);
          }}
        />
        <Select
          label={t.applications.snippets.feature}
          description={t.applications.snippets.featureHint}
          data={known.map((each) => each.key ?? '')}
          value={feature?.key ?? null}
          searchable
          allowDeselect={false}
          disabled={known.length === 0}
          onChange={setWanted}
        />
      </Group>
      <Group align="flex-start" wrap="nowrap" gap="md">
        <Box component="nav" aria-label={t.applications.snippets.language} w={170} style={{ flexShrink: 0 }}>
          {all.map((each) => (
            <NavLink
              key={each.id}
              component="button"
              label={each.label}
              active={each.id === snippet?.id}
              aria-pressed={each.id === snippet?.id}
              py={4}
              onClick={() => {
                setChosen(each.id);
                remember('sdk', each.id);
              }}
            />
          ))}
        </Box>
        {snippet && <Shown snippet={snippet} />}
      </Group>
    </Stack>
  );
}

function Shown({ snippet }: { snippet: Snippet }) {
  const t = useTexts().applications.snippets;
  return (
    <Stack gap="xs" flex={1} style={{ minWidth: 0 }}>
      <Text size="sm" c="dimmed">
        {snippet.key === 'client' ? t.usesClient : t.usesServer}
        {snippet.id === 'php' && ` ${t.noSdk}`}
      </Text>
      {snippet.install !== null && <CodeBlock label={t.install} copy={t.copyInstall} text={snippet.install} />}
      <CodeBlock label={t.code} copy={t.copyCode} text={snippet.code} />
    </Stack>
  );
}

function CodeBlock({ label, copy, text }: { label: string; copy: string; text: string }) {
  return (
    <Box pos="relative" role="group" aria-label={label}>
      <Code block tabIndex={0} pr={48} aria-label={label}>
        {text}
      </Code>
      <Box pos="absolute" top={6} right={6}>
        <CopyIcon value={text} label={copy} size="md" />
      </Box>
    </Box>
  );
}

/** Where SDKs reach Edge, as far as it is known here: what was typed before, else where this page is from. */
function edgeAddress(): string {
  return remembered('edge-url') ?? new URL('.', document.baseURI).toString().replace(/\/$/, '');
}
