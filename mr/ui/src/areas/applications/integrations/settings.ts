/**
 * A webhook's or a chat's settings between the form and the flat map of texts that the server keeps.
 *
 * Pure. A secret that rests encrypted comes as a placeholder; sent back it means "as it was".
 */
export const HIDDEN = 'ENCRYPTED-TEXT';
export const WEBHOOK = 'webhook.features';
export const SLACK = 'integration.slack';

export type SettingsMap = Readonly<Record<string, string>>;

export interface Header {
  /** Of this form alone: a header has no identity but its name, which can be edited. */
  id: string;
  name: string;
  value: string;
  encrypt: boolean;
}

export interface WebhookForm {
  enabled: boolean;
  endpoint: string;
  encryptEndpoint: boolean;
  headers: Header[];
  /** Signs messages. Never shown: empty or `HIDDEN` as it comes. */
  secret: string;
}

export interface SlackForm {
  enabled: boolean;
  channel: string;
}

export function isHidden(text: string): boolean {
  return text === HIDDEN;
}

/** Full names of what is to rest encrypted; short ones are of older clients. */
function listed(settings: SettingsMap, prefix: string): Set<string> {
  const names = (settings[`${prefix}.encrypt`] ?? '').split(',').map((each) => each.trim());
  return new Set(names.filter(Boolean).map((name) => (name.startsWith(prefix) ? name : `${prefix}.${name}`)));
}

export function webhookForm(settings: SettingsMap): WebhookForm {
  const secret = listed(settings, WEBHOOK);
  const start = `${WEBHOOK}.headers.`;
  const headers = Object.keys(settings)
    .filter((name) => name.startsWith(start))
    .sort((one, other) => one.localeCompare(other))
    .map((name) => ({
      id: name,
      name: name.slice(start.length),
      value: settings[name] ?? '',
      encrypt: secret.has(name),
    }));
  return {
    enabled: settings[`${WEBHOOK}.enabled`]?.toLowerCase() === 'true',
    endpoint: settings[`${WEBHOOK}.endpoint`] ?? '',
    encryptEndpoint: secret.has(`${WEBHOOK}.endpoint`),
    headers,
    secret: settings[`${WEBHOOK}.secret`] ?? '',
  };
}

/** The whole map that the form stands for. */
export function webhookSettings(form: WebhookForm): Record<string, string> {
  const named = form.headers.filter((header) => header.name.trim() !== '');
  const encrypted = [
    ...(form.encryptEndpoint ? [`${WEBHOOK}.endpoint`] : []),
    ...named.filter((header) => header.encrypt).map((header) => headerName(header)),
  ];
  return {
    [`${WEBHOOK}.enabled`]: String(form.enabled),
    [`${WEBHOOK}.endpoint`]: form.endpoint.trim(),
    [`${WEBHOOK}.encrypt`]: encrypted.join(','),
    ...Object.fromEntries(named.map((header) => [headerName(header), header.value])),
    ...(form.secret === '' ? {} : { [`${WEBHOOK}.secret`]: form.secret }),
  };
}

function headerName(header: Header): string {
  return `${WEBHOOK}.headers.${header.name.trim()}`;
}

/** What to send so that the stored map becomes the wanted one, as far as the prefix goes. */
export function settingsChange(stored: SettingsMap, wanted: SettingsMap, prefix: string): Record<string, string> {
  const change: Record<string, string> = {};
  for (const [name, text] of Object.entries(wanted)) {
    if (stored[name] !== text && !(stored[name] === undefined && isDefault(name, text))) change[name] = text;
  }
  for (const name of Object.keys(stored)) {
    const kept = name === `${prefix}.disabled` || !name.startsWith(`${prefix}.`);
    if (!kept && wanted[name] === undefined) change[`${name}.deleted`] = '';
  }
  return change;
}

/** What an absent setting means anyway. */
function isDefault(name: string, text: string): boolean {
  return text === '' || (name.endsWith('.enabled') && text === 'false');
}

/** When and why the server switched it off by itself; undefined while it did not. */
export function switchedOff(settings: SettingsMap, prefix: string): string | undefined {
  return settings[`${prefix}.disabled`];
}

export function slackForm(settings: SettingsMap): SlackForm {
  return {
    enabled: settings[`${SLACK}.enabled`]?.toLowerCase() === 'true',
    channel: settings[`${SLACK}.channel_name`] ?? '',
  };
}

/** Other settings of the chat (older clients know more) stay as they are. */
export function slackChange(stored: SettingsMap, form: SlackForm): Record<string, string> {
  const wanted = { [`${SLACK}.enabled`]: String(form.enabled), [`${SLACK}.channel_name`]: form.channel.trim() };
  const differs = ([name, text]: [string, string]) =>
    stored[name] !== text && !(stored[name] === undefined && isDefault(name, text));
  return Object.fromEntries(Object.entries(wanted).filter(differs));
}

/** Names of headers that the server sets by itself and does not take from here. */
const OURS = /^(host|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|ce-.*|x-burgee-.*)$/i;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export type HeaderFault = 'malformed' | 'ours' | 'repeated';

/** What is wrong with a header's name; an empty one is a row that is not used yet. */
export function headerFault(headers: readonly Header[], header: Header): HeaderFault | undefined {
  const name = header.name.trim();
  if (name === '') return undefined;
  if (!TOKEN.test(name)) return 'malformed';
  if (OURS.test(name)) return 'ours';
  const same = headers.filter((each) => each.name.trim().toLowerCase() === name.toLowerCase());
  return same.length > 1 ? 'repeated' : undefined;
}

export function isAddress(text: string): boolean {
  return isHidden(text) || (URL.canParse(text.trim()) && /^https?:$/.test(new URL(text.trim()).protocol));
}
