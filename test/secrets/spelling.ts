/** A secret as somebody may have written it down. */
export interface Spelling {
  readonly form: string;
  readonly text: string;
  /** Compared without regard to case. */
  readonly anyCase?: boolean;
}

/**
 * Every form of a value that is searched for. Those in base64 are what is left of it whatever stands before and after it
 * in what was encoded: three alignments, without the characters at their ends that a neighbour changes.
 */
export function spellings(value: string | Buffer): Spelling[] {
  const bytes = Buffer.from(value);
  const text = typeof value === 'string' ? value : undefined;
  const hex = bytes.toString('hex');
  const forms: Spelling[] = [
    { form: 'hex', text: hex, anyCase: true },
    { form: 'hex with escapes', text: hex.replace(/../g, '\\x$&'), anyCase: true },
    { form: 'percent-encoded', text: hex.replace(/../g, '%$&'), anyCase: true },
    { form: 'bytes as a list', text: [...bytes].join(',') },
    ...[0, 1, 2].flatMap((before) => base64At(bytes, before)),
  ];
  if (text === undefined) return forms;
  const json = JSON.stringify(text).slice(1, -1);
  return [
    { form: 'raw', text },
    ...escaped('URL-escaped', encodeURIComponent(text)),
    ...escaped('form-escaped', new URLSearchParams([['', text]]).toString().slice(1)),
    { form: 'JSON-escaped', text: json },
    { form: 'JSON in JSON', text: JSON.stringify(json).slice(1, -1) },
    { form: 'JSON in code units', text: [...codeUnits(text)].join(''), anyCase: true },
    { form: 'a row of Postgres', text: text.replaceAll('\\', '\\\\').replaceAll('"', '""') },
    { form: 'SQL', text: text.replaceAll("'", "''") },
    ...forms,
  ];
}

/** Escapes may be in either case; the rest is as it is. */
function escaped(form: string, text: string): Spelling[] {
  return [text, text.replace(/%../g, (code) => code.toLowerCase())].map((one) => ({ form, text: one }));
}

function base64At(bytes: Buffer, before: number): Spelling[] {
  const padded = Buffer.concat([Buffer.alloc(before), bytes]);
  // a character holds six bits: those that share one with a neighbour go
  const from = Math.ceil((before * 8) / 6);
  const to = Math.floor((padded.length * 8) / 6);
  return (['base64', 'base64url'] as const).map((form) => ({
    form: `${form}, ${before} behind`,
    text: padded.toString(form).slice(from, to),
  }));
}

function* codeUnits(text: string): Generator<string> {
  for (let at = 0; at < text.length; at++) yield `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
}

/** Something that was written down, and where. */
export interface Written {
  readonly where: string;
  readonly text: string;
}

/** What is found: `where: name, form`. A secret's own ends count too, since what is long gets cut. */
export function findSecrets(written: Iterable<Written>, secrets: Readonly<Record<string, string | Buffer>>): string[] {
  const wanted = unlike(
    Object.entries(secrets).flatMap(([name, value]) =>
      pieces(value).flatMap(({ part, of }) => spellings(of).map((spelling) => ({ name: name + part, ...spelling }))),
    ),
  );
  const found: string[] = [];
  const seen = new Set<string>();
  for (const { where, text } of written) {
    if (seen.has(text)) continue;
    seen.add(text);
    const folded = text.toLowerCase();
    for (const { name, form, text: sought, anyCase } of wanted) {
      if (anyCase ? folded.includes(sought.toLowerCase()) : text.includes(sought))
        found.push(`${where}: ${name}, ${form}`);
    }
  }
  return found;
}

/** What needs no escape is the same text in many forms, and tokens begin alike. */
function unlike<S extends Spelling>(all: readonly S[]): S[] {
  return [...new Map(all.toReversed().map((spelling) => [spelling.text, spelling])).values()];
}

const PIECE = 20;

function pieces(value: string | Buffer): { readonly part: string; readonly of: string | Buffer }[] {
  if (value.length === 0) throw new Error('an empty secret would be found everywhere');
  if (value.length < 2 * PIECE) return [{ part: '', of: value }];
  return [
    { part: ' (its beginning)', of: value.slice(0, PIECE) },
    { part: ' (its end)', of: value.slice(-PIECE) },
  ];
}
