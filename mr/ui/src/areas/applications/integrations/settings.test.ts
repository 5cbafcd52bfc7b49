import { describe, expect, it } from 'vitest';
import { HIDDEN, headerFault, isAddress, settingsChange, slackChange, slackForm, WEBHOOK, webhookForm, webhookSettings } from './settings';

const stored = {
  'webhook.features.enabled': 'true',
  'webhook.features.endpoint': 'https://example.com/hook',
  'webhook.features.encrypt': 'webhook.features.headers.Authorization',
  'webhook.features.headers.Authorization': HIDDEN,
  'webhook.features.headers.X-Team': 'web',
  'webhook.features.secret': HIDDEN,
  'webhook.features.disabled': 'since then',
  'integration.slack.enabled': 'false',
};

describe('settings of a webhook', () => {
  it('come back as they were when nothing was edited', () => {
    const form = webhookForm(stored);
    expect(form.headers.map((each) => [each.name, each.encrypt])).toEqual([
      ['Authorization', true],
      ['X-Team', false],
    ]);
    expect(settingsChange(stored, webhookSettings(form), WEBHOOK)).toEqual({});
  });

  it('read a list of secrets with short names too', () => {
    expect(webhookForm({ 'webhook.features.encrypt': 'endpoint', 'webhook.features.endpoint': HIDDEN }).encryptEndpoint).toBe(true);
  });

  it('delete what was removed, and touch nothing of others', () => {
    const form = webhookForm(stored);
    const wanted = webhookSettings({ ...form, secret: '', headers: form.headers.filter((each) => each.encrypt) });
    expect(settingsChange(stored, wanted, WEBHOOK)).toEqual({
      'webhook.features.headers.X-Team.deleted': '',
      'webhook.features.secret.deleted': '',
    });
  });

  it('leave rows without a name out', () => {
    const form = webhookForm(stored);
    const more = { ...form, headers: [...form.headers, { id: 'new', name: ' ', value: 'x', encrypt: true }] };
    expect(settingsChange(stored, webhookSettings(more), WEBHOOK)).toEqual({});
  });

  it('say what is wrong with a header', () => {
    const header = (id: string, name: string) => ({ id, name, value: '', encrypt: false });
    const team = header('1', 'X-Team');
    expect(headerFault([team], team)).toBeUndefined();
    expect(headerFault([team, header('2', 'x-team')], team)).toBe('repeated');
    expect(headerFault([], header('3', 'Content-Type'))).toBe('ours');
    expect(headerFault([], header('4', 'two words'))).toBe('malformed');
  });

  it('know an address', () => {
    expect(isAddress('https://example.com')).toBe(true);
    expect(isAddress(HIDDEN)).toBe(true);
    expect(isAddress('nats://example.com')).toBe(false);
    expect(isAddress('')).toBe(false);
  });
});

it('an environment that was never connected has nothing to save', () => {
  expect(settingsChange({}, webhookSettings(webhookForm({})), WEBHOOK)).toEqual({});
  expect(slackChange({}, slackForm({}))).toEqual({});
});

it('a chat sends only what was changed', () => {
  expect(slackChange(stored, { enabled: true, channel: ' C1 ' })).toEqual({
    'integration.slack.enabled': 'true',
    'integration.slack.channel_name': 'C1',
  });
  expect(slackChange(stored, { enabled: false, channel: '' })).toEqual({});
});
