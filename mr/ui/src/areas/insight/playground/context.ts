/** Who asks, as the address of the playground keeps it and as the server takes it. Pure. */
import type { EvaluationRequestInput } from '@/api/schema';

export interface Attribute {
  name: string;
  values: string[];
}

/** `country=peru,chile;plan=gold`, each part encoded. */
export function parseAttributes(text: string): Attribute[] {
  return text
    .split(';')
    .filter((part) => part !== '')
    .map((part) => {
      const [name = '', values = ''] = part.split('=');
      return { name: decoded(name), values: values === '' ? [] : values.split(',').map(decoded) };
    });
}

export function formatAttributes(attributes: readonly Attribute[]): string {
  return attributes
    .map(({ name, values }) => `${encodeURIComponent(name)}=${values.map(encodeURIComponent).join(',')}`)
    .join(';');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export interface Asked {
  environmentId: string;
  user: string;
  header: string;
  ampersand: boolean;
  /** As a field for date and time writes it, in the reader's zone. */
  at: string;
  attributes: readonly Attribute[];
}

/** What the server is asked; what is empty is left out. */
export function requestOf(asked: Asked): EvaluationRequestInput {
  const given = asked.attributes.filter(({ name, values }) => name.trim() !== '' && values.length > 0);
  const moment = asked.at === '' ? null : new Date(asked.at);
  return {
    environmentId: asked.environmentId,
    attributes: Object.fromEntries(given.map(({ name, values }) => [name.trim(), [...values]])),
    ...(asked.user.trim() === '' ? {} : { userKey: asked.user.trim() }),
    ...(asked.header.trim() === '' ? {} : { header: asked.header.trim(), ampersand: asked.ampersand }),
    ...(moment === null || Number.isNaN(moment.getTime()) ? {} : { at: moment.toISOString() }),
  };
}
