import { describe, expect, it } from 'vitest';
import type { LiveChange } from '@/api/schema';
import { affects } from './effects';

const [APP, OTHER, ENV, VALUE] = ['1', '2', '3', '4'].map((each) => `${each.repeat(8)}-0000-4000-8000-000000000000`) as [
  string,
  string,
  string,
  string,
];

function change(kind: string, more: Partial<LiveChange> = {}): LiveChange {
  return { kind, id: VALUE, action: 'update', at: '', by: { kind: 'person' }, applicationId: APP, ...more };
}

const HISTORY = 'listFeatureHistory';

describe('what a change of a value makes untrue', () => {
  const touched = affects([change('feature-value', { environmentId: ENV })]);

  it('is what shows its application or its environment', () => {
    expect(touched([HISTORY, { appId: APP, max: 20 }])).toBe(true);
    expect(touched(['getFeaturesForEnvironment', { eid: ENV }])).toBe(true);
    expect(touched(['evaluateFeatures', JSON.stringify({ environmentId: ENV })])).toBe(true);
    expect(touched(['findAuditEntries', { personId: OTHER }])).toBe(true);
  });

  it('is nothing of another application, and no other kind of answer', () => {
    expect(touched([HISTORY, { appId: OTHER }])).toBe(false);
    expect(touched(['findPeople', {}])).toBe(false);
  });
});

describe('changes of other kinds', () => {
  it('are felt wherever their kind is shown', () => {
    const touched = affects([change('feature')]);
    expect(touched(['getFeaturesForEnvironment', { eid: ENV }])).toBe(true);
    expect(touched(['getSystemConfig', {}])).toBe(false);
  });

  it('are felt everywhere when the kind is not known', () => {
    expect(affects([change('something-new')])(['getSystemConfig', {}])).toBe(true);
    expect(affects([])(['getSystemConfig', {}])).toBe(false);
  });
});
