/** Details and metadata of a feature. What somebody else saved meanwhile is shown, and both can be kept. */
import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { call } from '@/api/client';
import { asking, invalidate, useApi } from '@/api/hooks';
import { hasStatus } from '@/api/problem';
import type { Application, Feature } from '@/api/schema';
import { Failure, FormDialog, JsonEditor, Loading, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { jsonFault } from '@/kit/json';
import { HISTORY, TABLE, VALUES } from '../model/saving';
import { complete, type Definition, Fields } from './fields';

interface EditProps {
  application: Application;
  featureKey: string;
  readOnly: boolean;
  onClose: () => void;
}

/** Loads the whole definition, and saves it under the version that it was loaded with. */
function useDefinition(application: Application, key: string) {
  const client = useQueryClient();
  const params = { id: application.id, key, includeMetaData: true, includeFilters: true };
  // Loaded anew each time: what is edited is what is stored now.
  const feature = useApi('getFeatureByKey', params, { staleTime: 0 });
  const [base, setBase] = useState<Feature | null>(null);
  const [theirs, setTheirs] = useState<Feature | null>(null);
  const loaded = base ?? (feature.isFetchedAfterMount ? feature.data : undefined);
  if (base === null && loaded !== undefined) setBase(loaded);
  const save = async (change: Partial<Feature>) => {
    if (loaded === undefined) return;
    try {
      await call('updateFeatureForApplication', {
        params: { id: application.id, key },
        body: { ...loaded, ...change },
      });
    } catch (error) {
      if (hasStatus(error, 422))
        setTheirs(await client.fetchQuery({ ...asking('getFeatureByKey', params), staleTime: 0 }));
      throw error;
    }
    await invalidate(client, TABLE, VALUES, HISTORY, 'getFeatureByKey', 'getAllFeaturesForApplication');
  };
  /** Go on from what is stored now. */
  const rebase = () => {
    setBase(theirs);
    setTheirs(null);
  };
  return { loaded, error: feature.error, retry: () => void feature.refetch(), theirs, save, rebase };
}

export function EditFeature({ application, featureKey, readOnly, onClose }: EditProps) {
  const t = useTexts();
  const words = t.features.form;
  const notify = useNotify();
  const { loaded, error, retry, theirs, save, rebase } = useDefinition(application, featureKey);
  const [typed, setTyped] = useState<Definition | null>(null);
  const value = typed ?? (loaded === undefined ? null : definitionOf(loaded));
  const submit = async () => {
    if (value === null) return;
    await save({
      name: value.name.trim(),
      key: value.key.trim(),
      description: value.description.trim(),
      link: value.link.trim(),
      featureFilter: value.filters,
    });
    notify.success(t.common.saved);
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={words.editTitle}
      onSubmit={submit}
      incomplete={readOnly || value === null || !complete(value)}
      size="lg"
    >
      {(refused) => (
        <Body error={error} retry={retry} ready={value !== null}>
          {theirs === null ? null : (
            <Stale
              theirs={`${theirs.name} · ${theirs.key ?? ''}${theirs.description ? ` · ${theirs.description}` : ''}`}
              onTake={() => {
                rebase();
                setTyped(null);
              }}
              onKeep={rebase}
            />
          )}
          {value === null ? null : (
            <Fields
              value={value}
              onChange={setTyped}
              error={refused}
              portfolioId={application.portfolioId ?? ''}
              fresh={false}
              taken={hasStatus(refused, 409)}
              readOnly={readOnly}
            />
          )}
        </Body>
      )}
    </FormDialog>
  );
}

function definitionOf(feature: Feature): Definition {
  return {
    name: feature.name,
    key: feature.key ?? '',
    type: feature.valueType ?? 'BOOLEAN',
    description: feature.description ?? '',
    link: feature.link ?? '',
    filters: feature.featureFilter ?? [],
  };
}

export function EditMetadata({ application, featureKey, readOnly, onClose }: EditProps) {
  const t = useTexts();
  const words = t.features.metadata;
  const notify = useNotify();
  const { loaded, error, retry, theirs, save, rebase } = useDefinition(application, featureKey);
  const [typed, setTyped] = useState<string | null>(null);
  const value = typed ?? loaded?.metaData ?? '';
  const faulty = value.trim() !== '' && jsonFault(value) !== null;
  const submit = async () => {
    await save({ metaData: value.trim() });
    notify.success(t.common.saved);
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={words.title(loaded?.name ?? featureKey)}
      onSubmit={submit}
      incomplete={readOnly || loaded === undefined || faulty}
      size="xl"
    >
      {() => (
        <Body error={error} retry={retry} ready={loaded !== undefined}>
          {theirs === null ? null : (
            <Stale
              theirs={theirs.metaData ?? words.empty}
              onTake={() => {
                rebase();
                setTyped(null);
              }}
              onKeep={rebase}
            />
          )}
          <JsonEditor
            label={words.label}
            description={words.hint}
            value={value}
            onChange={setTyped}
            readOnly={readOnly}
            minRows={10}
          />
        </Body>
      )}
    </FormDialog>
  );
}

function Body({
  error,
  retry,
  ready,
  children,
}: {
  error: unknown;
  retry: () => void;
  ready: boolean;
  children: ReactNode;
}) {
  if (ready) return <Stack gap="sm">{children}</Stack>;
  return error === null ? <Loading rows={4} /> : <Failure error={error} onRetry={retry} />;
}

function Stale({ theirs, onTake, onKeep }: { theirs: string; onTake: () => void; onKeep: () => void }) {
  const t = useTexts().features.form;
  return (
    <Alert color="orange" role="status">
      <Text size="sm">{t.stale}</Text>
      <Text size="sm" ff="monospace" my={6} style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {theirs}
      </Text>
      <Group gap="xs">
        <Button size="xs" variant="default" onClick={onTake}>
          {t.takeTheirs}
        </Button>
        <Button size="xs" variant="default" onClick={onKeep}>
          {t.keepMine}
        </Button>
      </Group>
    </Alert>
  );
}
