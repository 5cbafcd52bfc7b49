/** The installation's settings as a form holds them. Pure. */
import type { SystemConfig, UpdatedSystemConfigInput } from '@/api/schema';

/** What the server shows in place of a secret; sent back it means "as it was". */
export const MASK = 'ENCRYPTED-TEXT';

export type SettingValue = string | boolean | Record<string, string> | null;
export type Draft = Record<string, SettingValue>;

export function draftOf(settings: readonly SystemConfig[]): Draft {
  return Object.fromEntries(settings.map(({ key, value }) => [key, (value ?? null) as SettingValue]));
}

/** Only what differs is sent, with the versions that were seen. An emptied text takes the value away. */
export function changesOf(settings: readonly SystemConfig[], typed: Draft): UpdatedSystemConfigInput[] {
  return settings.flatMap((setting) => {
    const value = typed[setting.key];
    if (value === undefined || same(value, setting.value ?? null)) return [];
    return [{ key: setting.key, version: setting.version, value: value === '' ? null : value }];
  });
}

function same(one: SettingValue, other: unknown): boolean {
  const plain = (value: unknown) => (value === '' ? null : value);
  return JSON.stringify(plain(one)) === JSON.stringify(plain(other));
}
