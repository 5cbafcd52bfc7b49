/** The parts of an application's settings, as their addresses name them. */
export const TABS = ['environments', 'groups', 'accounts', 'integrations'] as const;
export type Tab = (typeof TABS)[number];

export function tabOf(name: string | undefined): Tab {
  return TABS.find((tab) => tab === name) ?? 'environments';
}
