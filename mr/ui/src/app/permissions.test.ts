import { describe, expect, it } from 'vitest';
import type { Group } from '@/api/schema';
import {
  applicationRoles,
  environmentRoles,
  isAnyPortfolioAdmin,
  isPortfolioAdmin,
  isSuperuser,
  type Me,
  mayCreateFeatures,
  mayDeleteFeatures,
  mayEditFeatures,
} from './permissions';

function group(members: Partial<Group>): Group {
  return {
    id: 'g',
    name: 'g',
    superMembers: [],
    simpleMembers: [],
    members: [],
    applicationRoles: [],
    environmentRoles: [],
    ...members,
  };
}

function person(...groups: Group[]): Me {
  return { groups, additional: [] };
}

const superuser = person(group({ admin: true }));
const administrator = person(group({ admin: true, portfolioId: 'p' }));
const changer = person(
  group({ portfolioId: 'p', environmentRoles: [{ environmentId: 'e', groupId: 'g', roles: ['READ'] }] }),
  group({ portfolioId: 'p', environmentRoles: [{ environmentId: 'e', groupId: 'h', roles: ['CHANGE_VALUE'] }] }),
);
const creator = person(
  group({ portfolioId: 'p', applicationRoles: [{ applicationId: 'a', groupId: 'g', roles: ['FEATURE_CREATE'] }] }),
);
const editor = person(
  group({ portfolioId: 'p', applicationRoles: [{ applicationId: 'a', groupId: 'g', roles: ['FEATURE_EDIT_AND_DELETE'] }] }),
);

describe('who administers what', () => {
  it('superusers administer everything', () => {
    expect(isSuperuser(superuser)).toBe(true);
    expect(isPortfolioAdmin(superuser, 'any')).toBe(true);
    expect(isPortfolioAdmin(superuser, undefined)).toBe(true);
  });

  it('administrators administer their own portfolio alone', () => {
    expect(isSuperuser(administrator)).toBe(false);
    expect(isAnyPortfolioAdmin(administrator)).toBe(true);
    expect(isPortfolioAdmin(administrator, 'p')).toBe(true);
    expect(isPortfolioAdmin(administrator, 'q')).toBe(false);
    expect(isPortfolioAdmin(administrator, undefined)).toBe(false);
  });

  it('somebody without groups administers nothing', () => {
    expect(isAnyPortfolioAdmin(person())).toBe(false);
  });
});

describe('roles', () => {
  it('come together from all groups', () => {
    expect([...environmentRoles(changer, 'e', 'p')].sort()).toEqual(['CHANGE_VALUE', 'READ']);
    expect(environmentRoles(changer, 'other', 'p').size).toBe(0);
  });

  it('administrators have all of them, in their portfolio', () => {
    expect(environmentRoles(administrator, 'e', 'p').size).toBe(5);
    expect(environmentRoles(administrator, 'e', 'q').size).toBe(0);
    expect(applicationRoles(superuser, 'a').size).toBe(6);
  });

  it('creating, editing and deleting features are told apart', () => {
    expect([mayCreateFeatures, mayEditFeatures, mayDeleteFeatures].map((may) => may(creator, 'a', 'p'))).toEqual([
      true,
      false,
      false,
    ]);
    expect([mayCreateFeatures, mayEditFeatures, mayDeleteFeatures].map((may) => may(editor, 'a', 'p'))).toEqual([
      true,
      true,
      true,
    ]);
    expect(mayCreateFeatures(editor, 'another', 'p')).toBe(false);
  });
});
