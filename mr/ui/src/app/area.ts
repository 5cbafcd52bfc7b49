/** What an area of the interface declares about its screens. */
import type { TablerIcon } from '@tabler/icons-react';
import type { ComponentType } from 'react';
import type { Texts } from '@/texts';
import type { Me } from './permissions';

/** The parts of the left menu, in their order. */
export const SECTIONS = ['features', 'application', 'portfolio', 'organization', 'insight'] as const;
export type Section = (typeof SECTIONS)[number];

/** What a rule about visibility may look at. */
export interface Standing {
  me: Me;
  /** The portfolio that is chosen in the frame. */
  portfolioId: string | undefined;
}

export interface AreaRoute {
  /** Below the base path; parts that begin with `$` are parameters. */
  path: string;
  load: () => Promise<{ default: ComponentType }>;
  title: (t: Texts) => string;
  /** Who may see it; everybody who is signed in unless said. */
  who?: (standing: Standing) => boolean;
  /** `none`: shown without a session and without the frame. */
  session?: 'none';
  /** The screen of the menu that it belongs to, when it is none itself. */
  under?: string;
  nav?: { section: Section; icon: TablerIcon; order: number; search?: Record<string, string> };
}
