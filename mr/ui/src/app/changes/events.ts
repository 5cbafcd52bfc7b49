/** Server-Sent Events as they come out of a response's body. Pure; knows nothing of what they mean. */

export interface StreamEvent {
  name: string;
  id: string | null;
  data: string;
}

/** Cuts text into events. Whoever reads feeds pieces in any size; incomplete ones wait for the rest. */
export class EventParser {
  private rest = '';
  private name = 'message';
  private id: string | null = null;
  private data: string[] = [];

  feed(piece: string): StreamEvent[] {
    this.rest += piece;
    const lines = this.rest.split('\n');
    this.rest = lines.pop() ?? '';
    return lines.flatMap((line) => this.line(line.replace(/\r$/, '')));
  }

  private line(line: string): StreamEvent[] {
    if (line === '') return this.finish();
    const [field, value] = member(line);
    if (field === 'event') this.name = value;
    else if (field === 'id') this.id = value;
    else if (field === 'data') this.data.push(value);
    return [];
  }

  private finish(): StreamEvent[] {
    const { name, id, data } = this;
    this.name = 'message';
    this.data = [];
    return data.length === 0 ? [] : [{ name, id, data: data.join('\n') }];
  }
}

/** A comment has no field's name. */
function member(line: string): [string, string] {
  const colon = line.indexOf(':');
  if (colon < 0) return [line, ''];
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
}
