/**
 * PostgreSQL's wire protocol 3 as far as a proxy needs it: how the stream is cut into messages, and what a message says.
 * Source: PostgreSQL documentation, *Message Formats*.
 */
export type Side = 'frontend' | 'backend';

export interface PgMessage {
  readonly from: Side;
  /** The protocol's letter; what a frontend says first has none: `startup`, `ssl`, `gss`, `cancel`. */
  readonly type: string;
  /** Which of the proxy's connections: 1, 2, ... */
  readonly connection: number;
  /** Without type and length. */
  readonly body: Buffer;
  /**
   * What it says, in words. Frontend: the SQL of `Q` (query) and `P` (parse); `B` (bind): statement and parameters, tabs
   * between. Backend: the tag of `C`; the columns of `D`, tabs between; the SQLSTATE and message of `E` and `N`; the
   * transaction's state of `Z`: `I` none, `T` open, `E` failed. Empty for all others.
   */
  readonly text: string;
  /** The SQL that it executes (frontend), or that it answers (backend); empty where there is none. */
  readonly sql: string;
}

const CODES = new Map([
  [196_608, 'startup'],
  [80_877_102, 'cancel'],
  [80_877_103, 'ssl'],
  [80_877_104, 'gss'],
]);
const NULL_COLUMN = '\\N';

/** One message as it travels: `raw` is all of it. */
export interface Frame {
  readonly type: string;
  readonly body: Buffer;
  readonly raw: Buffer;
}

/** Cuts one direction of a connection into its messages. */
export function makeCutter(from: Side): (chunk: Buffer) => Frame[] {
  let rest: Buffer = Buffer.alloc(0);
  let typed = from === 'backend';
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const frames: Frame[] = [];
    for (;;) {
      const head = typed ? 1 : 0;
      if (rest.length < head + 4) return frames;
      const end = head + rest.readUInt32BE(head);
      if (rest.length < end) return frames;
      const body = rest.subarray(head + 4, end);
      const type = typed ? rest.toString('latin1', 0, 1) : (CODES.get(body.readUInt32BE(0)) ?? 'startup');
      if (type === 'startup') typed = true;
      frames.push({ type, body, raw: rest.subarray(0, end) });
      rest = rest.subarray(end);
    }
  };
}

/** The bytes of a message as they travel. */
export function encode(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(type.length === 1 ? 5 : 4);
  if (type.length === 1) head.write(type, 'latin1');
  head.writeUInt32BE(body.length + 4, head.length - 4);
  return Buffer.concat([head, body]);
}

export function textOf(from: Side, type: string, body: Buffer): string {
  switch (`${from} ${type}`) {
    case 'frontend Q':
    case 'backend C':
      return strings(body, 1)[0] ?? '';
    case 'frontend P':
      return strings(body, 2)[1] ?? '';
    case 'frontend B': {
      const { statement, parameters } = readBind(body);
      return [statement, ...parameters].join('\t');
    }
    case 'backend D':
      return readValues(body, 0).join('\t');
    case 'backend E':
    case 'backend N':
      return ['C', 'M'].map((field) => errorField(body, field)).join(' ');
    case 'backend Z':
      return body.toString('latin1');
    default:
      return '';
  }
}

/** The body of a message that says `text` instead; for `Q`, `P`, `C` and `D` (a column `\N` is null). */
export function bodyWithText(message: PgMessage, text: string): Buffer {
  switch (`${message.from} ${message.type}`) {
    case 'frontend Q':
    case 'backend C':
      return Buffer.from(`${text}\0`);
    case 'frontend P': {
      const [name = '', sql = ''] = strings(message.body, 2);
      const types = message.body.subarray(Buffer.byteLength(name) + Buffer.byteLength(sql) + 2);
      return Buffer.concat([Buffer.from(`${name}\0${text}\0`), types]);
    }
    case 'backend D':
      return writeValues(text.split('\t'));
    default:
      throw new Error(`a message ${message.from} ${message.type} has no text to rewrite: give its whole body`);
  }
}

/** What a `P` names: its statement. */
export function statementOf(body: Buffer): string {
  return strings(body, 1)[0] ?? '';
}

/** What a `B` binds: a portal to a statement with parameters. */
export function readBind(body: Buffer): { portal: string; statement: string; parameters: string[] } {
  const [portal = '', statement = ''] = strings(body, 2);
  const formats = Buffer.byteLength(portal) + Buffer.byteLength(statement) + 2;
  return { portal, statement, parameters: readValues(body, formats + 2 + 2 * body.readUInt16BE(formats)) };
}

function strings(body: Buffer, count: number): string[] {
  const found: string[] = [];
  for (let start = 0; found.length < count;) {
    const end = body.indexOf(0, start);
    if (end < 0) return found;
    found.push(body.toString('utf8', start, end));
    start = end + 1;
  }
  return found;
}

/** A count and so many values, each with its length; -1 is null. */
function readValues(body: Buffer, offset: number): string[] {
  const values: string[] = [];
  let at = offset + 2;
  for (let left = body.readUInt16BE(offset); left > 0; left--) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? NULL_COLUMN : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return values;
}

function writeValues(values: string[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(values.length);
  const encoded = values.flatMap((value) => {
    const length = Buffer.alloc(4);
    const bytes = value === NULL_COLUMN ? Buffer.alloc(0) : Buffer.from(value);
    length.writeInt32BE(value === NULL_COLUMN ? -1 : bytes.length);
    return [length, bytes];
  });
  return Buffer.concat([count, ...encoded]);
}

function errorField(body: Buffer, field: string): string {
  return (
    body
      .toString('utf8')
      .split('\0')
      .find((part) => part.startsWith(field))
      ?.slice(1) ?? ''
  );
}
