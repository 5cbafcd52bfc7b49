import { afterEach, expect, test, vi } from 'vitest';
import { tellNews } from '@/app/changes/news';
import type { LiveChange } from '@/api/schema';
import type { FeatureValue, Table } from '../model/wire';
import { joined, loadPage, loadWhole, portionOf } from './whole';

const APPLICATION = 'shop';

function value(key: string, version = 1): FeatureValue {
  return {
    key,
    version,
    locked: false,
    retired: false,
    rolloutStrategies: [],
    rolloutStrategyInstances: [],
    sharedRolloutStrategies: [],
    featureGroupStrategies: [],
  };
}

function table(keys: readonly string[], total: number, version = 1): Table {
  return {
    applicationId: APPLICATION,
    features: keys.map((key) => ({ key, name: key, valueType: 'STRING' })),
    environments: ['test', 'live'].map((id) => ({
      environmentId: id,
      environmentName: id,
      features: keys.map((key) => value(key, version)),
      roles: ['READ'],
    })),
    maxFeatures: total,
  };
}

/** A server that answers in turn; each answer may do something first. */
function answering(...answers: readonly (() => unknown)[]): string[] {
  const asked: string[] = [];
  vi.stubGlobal('document', { baseURI: 'http://burgee.example/' });
  vi.stubGlobal('fetch', async (url: string) => {
    const answer = answers[asked.length];
    asked.push(new URL(url).pathname + new URL(url).search);
    return new Response(JSON.stringify(answer?.()));
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

test('portions become one table', () => {
  const whole = joined([table(['A', 'B'], 3), table(['C'], 3)]);
  expect(whole.features.map((each) => each.key)).toEqual(['A', 'B', 'C']);
  for (const environment of whole.environments) {
    expect(environment.features.map((each) => each.key)).toEqual(['A', 'B', 'C']);
  }
});

test('a feature that moved into the next portion is shown once', () => {
  expect(joined([table(['A', 'B'], 3), table(['B', 'C'], 4)]).features.map((each) => each.key)).toEqual(['A', 'B', 'C']);
});

test('the more environments, the fewer features at once', () => {
  expect(portionOf(10)).toBe(400);
  expect(portionOf(1000)).toBe(25);
  expect(portionOf(0)).toBe(4000);
});

test('questions end with the last feature', async () => {
  const asked = answering(
    () => table(['A', 'B'], 3),
    () => table(['C'], 3),
  );
  const whole = await loadWhole({ id: APPLICATION, max: 10 }, 2, new AbortController().signal);
  expect(whole.features).toHaveLength(3);
  expect(asked).toEqual([0, 1].map((page) => `/mr-api/application/shop/all-feature-environment?max=2&page=${page}`));
});

test('what is saved while portions come is in the table', async () => {
  const news = { kind: 'feature-value', applicationId: APPLICATION, name: 'A' } as LiveChange;
  const asked = answering(
    () => table(['A'], 2),
    () => {
      tellNews([news, { ...news, name: 'B', applicationId: 'another' }]);
      return table(['B'], 2);
    },
    () => [
      { environment: { id: 'test', name: 'test' }, featureValue: value('A', 2) },
      { environment: { id: 'live', name: 'live' } },
    ],
  );
  const whole = await loadWhole({ id: APPLICATION, max: 10 }, 1, new AbortController().signal);
  expect(asked).toHaveLength(3);
  const versions = whole.environments.map((each) => each.features.map(({ key, version }) => [key, version]));
  expect(versions).toEqual([
    [
      ['A', 2],
      ['B', 1],
    ],
    [
      ['A', 1],
      ['B', 1],
    ],
  ]);
});

test('what is saved while a page comes is in it, and nothing of features that are not', async () => {
  const news = { kind: 'feature-value', applicationId: APPLICATION, name: 'A' } as LiveChange;
  const asked = answering(
    () => {
      tellNews([news, { ...news, name: 'Z' }]);
      return table(['A', 'B'], 2);
    },
    () => [{ environment: { id: 'test', name: 'test' }, featureValue: value('A', 2) }],
  );
  const page = await loadPage({ id: APPLICATION, max: 60 }, new AbortController().signal);
  expect(asked).toHaveLength(2);
  expect(page.environments[0]?.features.map(({ version }) => version)).toEqual([2, 1]);
});
