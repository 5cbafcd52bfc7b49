import { describe, expect, it } from 'vitest';
import { EventParser } from './events';

const TEXT = ': hello\n\nevent: ready\r\nid: e.1\r\ndata: {}\r\n\r\nevent: change\ndata: {"a":\ndata: 1}\n\n';

describe('events of a stream', () => {
  it('come whole, however the text is cut', () => {
    for (let size = 1; size <= TEXT.length; size += 1) {
      const parser = new EventParser();
      const found = [];
      for (let at = 0; at < TEXT.length; at += size) found.push(...parser.feed(TEXT.slice(at, at + size)));
      expect(found).toEqual([
        { name: 'ready', id: 'e.1', data: '{}' },
        { name: 'change', id: 'e.1', data: '{"a":\n1}' },
      ]);
    }
  });

  it('do not come of comments and of what is not complete', () => {
    expect(new EventParser().feed(':\n\n: ping\n\ndata: x\n')).toEqual([]);
  });
});
