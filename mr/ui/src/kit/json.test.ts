import { describe, expect, it } from 'vitest';
import { compactJson, formatJson, jsonFault, tokens } from './json';

const DOCUMENT = '{"a":[1,2.50,{"b":null}],"e":[],"o":{},"t":"x: {y}, \\"z\\"","n":12345678901234567890}';

describe('JSON texts', () => {
  it('are laid out and made compact without changing a token', () => {
    const laid = formatJson(DOCUMENT);
    expect(laid).toBe(
      '{\n  "a": [\n    1,\n    2.50,\n    {\n      "b": null\n    }\n  ],\n  "e": [],\n  "o": {},\n  "t": "x: {y}, \\"z\\"",\n  "n": 12345678901234567890\n}',
    );
    expect(compactJson(laid)).toBe(DOCUMENT);
  });

  it('stay as they are while they are no documents', () => {
    expect(formatJson('{"a":')).toBe('{"a":');
    expect(jsonFault('{"a":')).not.toBeNull();
    expect(jsonFault(DOCUMENT)).toBeNull();
  });

  it('are split into pieces that join to the same text, valid or not', () => {
    for (const text of [DOCUMENT, '{"a" : tru, -, "open', 'ä"ö" \n\t']) {
      expect(
        tokens(text)
          .map((each) => each.text)
          .join(''),
      ).toBe(text);
    }
  });

  it('tell names from texts', () => {
    expect(
      tokens('{"a": "b"}')
        .filter((each) => each.kind === 'name')
        .map((each) => each.text),
    ).toEqual(['"a"']);
  });
});
