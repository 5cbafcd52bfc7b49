import { describe, expect, it } from 'vitest';
import { filled } from './client';
import { faultOf, hasStatus, Problem } from './problem';

describe('the address of a call', () => {
  it('takes parameters into the path and the rest into the query', () => {
    expect(filled('/person/{id}', { id: 'a/b c', includeGroups: true })).toBe('/person/a%2Fb%20c?includeGroups=true');
  });

  it('repeats lists and leaves out what is not given', () => {
    expect(filled('/person', { personTypes: ['a', 'b'], filter: undefined, page: 0 })).toBe(
      '/person?personTypes=a&personTypes=b&page=0',
    );
  });
});

describe('a refusal', () => {
  const refused = new Problem(400, {
    type: 'urn:burgee:problem:bad-request',
    title: 'Bad request',
    status: 400,
    detail: 'No.',
    errors: [{ field: 'configs.0.value', detail: 'is too long' }],
  });

  it('knows its code, its words and the fields that it means', () => {
    expect([refused.code, refused.detail, faultOf(refused, 'value')]).toEqual(['bad-request', 'No.', 'is too long']);
    expect(hasStatus(refused, 400, 404)).toBe(true);
  });

  it('may come from something else than our server', () => {
    const other = new Problem(502, undefined);
    expect([other.code, other.title, faultOf(other, 'value')]).toEqual(['', 'HTTP 502', undefined]);
  });
});
