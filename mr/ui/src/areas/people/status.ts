/** Where people stand, from what the list says of them. Pure. */
import type { SearchPerson, SearchPersonResult } from '@/api/schema';

export type Status = 'active' | 'invited' | 'expired' | 'deactivated';

export const STATUS_COLORS: Readonly<Record<Status, string>> = {
  active: 'teal',
  invited: 'blue',
  expired: 'orange',
  deactivated: 'gray',
};

/** The status of each person of a page, by id. */
export function statusesOf(page: SearchPersonResult): ReadonlyMap<string, Status> {
  const invited = new Map(page.outstandingRegistrations.map((open) => [open.id, open.expired]));
  return new Map(
    (page.summarisedPeople ?? []).map((person) => [person.id, statusOf(person, invited.get(person.id))]),
  );
}

function statusOf(person: SearchPerson, expired: boolean | undefined): Status {
  if (person.whenDeactivated !== undefined) return 'deactivated';
  if (expired === undefined) return 'active';
  return expired ? 'expired' : 'invited';
}

const LETTERS = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** A password that is easily read out and typed: no letters that look alike. */
export function temporaryPassword(): string {
  const chosen = crypto.getRandomValues(new Uint32Array(14));
  return Array.from(chosen, (number) => LETTERS[number % LETTERS.length]).join('');
}
