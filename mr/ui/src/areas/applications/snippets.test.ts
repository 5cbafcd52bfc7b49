import { describe, expect, it } from 'vitest';
import { snippets } from './snippets';

const values = {
  edgeUrl: 'https://flags.example.com',
  clientKey: 'env/client*key',
  serverKey: 'env/serverkey',
  featureKey: 'NEW_CART',
  featureType: 'BOOLEAN' as const,
};

describe('snippets', () => {
  it('hold the address, the feature and the one key that belongs there', () => {
    for (const snippet of snippets(values)) {
      const [mine, other] = snippet.key === 'client' ? [values.clientKey, values.serverKey] : [values.serverKey, values.clientKey];
      expect(snippet.code, snippet.id).toContain(mine);
      expect(snippet.code, snippet.id).not.toContain(other);
      expect(snippet.code, snippet.id).toContain(values.edgeUrl);
      if (snippet.id !== 'curl') expect(snippet.code, snippet.id).toContain('NEW_CART');
    }
  });

  it('quote what is odd in each language', () => {
    const odd = { ...values, featureKey: `a"b'c$d#{e}` };
    const code = Object.fromEntries(snippets(odd).map((each) => [each.id, each.code]));
    expect(code['python']).toContain(String.raw`"a\"b'c$d#{e}"`);
    expect(code['ruby']).toContain(String.raw`'a"b\'c$d#{e}'`);
    expect(code['php']).toContain(String.raw`'a"b\'c$d#{e}'`);
    expect(code['android']).toContain(String.raw`"a\"b'c\$d#{e}"`);
    expect(code['dart']).toContain(String.raw`"a\"b'c\$d#{e}"`);
  });

  it('read a feature as what it is', () => {
    const code = (featureType: 'STRING' | 'NUMBER' | 'JSON') =>
      snippets({ ...values, featureType }).map((each) => each.code).join('\n');
    expect(code('STRING')).toContain('get_string');
    expect(code('NUMBER')).toContain('GetNumber');
    expect(code('JSON')).toContain('raw_json');
  });
});
