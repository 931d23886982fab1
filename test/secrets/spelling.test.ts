import { findSecrets } from './spelling.ts';

const SECRETS = {
  'letters and digits': 'Kq7ZpX2mVt9LwR4cYbN8',
  'what gets escaped': `p@ss/w+rd?="q'\\ \n&ä%`,
  long: 'aVeryLongSecretThatSomebodyMightCutSomewhereInTheMiddle0123456789',
  bytes: Buffer.from('00ff10807f3e3f2b2f5c220a0d41', 'hex'),
};
const AROUND = [
  ['', ''],
  ['x', 'y'],
  ['ab', 'cd'],
  ['abc', 'z'],
] as const;

/** What a program could have done with it before it wrote it down. */
const WRITERS: Readonly<Record<string, (value: Buffer, before: string, after: string) => string | undefined>> = {
  raw: (value, before, after) => text(value, (it) => before + it + after),
  base64: (value, before, after) => joined(value, before, after).toString('base64'),
  base64url: (value, before, after) => joined(value, before, after).toString('base64url'),
  hex: (value, before, after) => joined(value, before, after).toString('hex'),
  HEX: (value, before, after) => joined(value, before, after).toString('hex').toUpperCase(),
  bytea: (value) => `\\x${value.toString('hex')}`,
  'JSON of a Buffer': (value) => JSON.stringify(value),
  'URL-escaped': (value, before, after) => text(value, (it) => encodeURIComponent(before + it + after)),
  'URL-escaped, lower case': (value) =>
    text(value, (it) => encodeURIComponent(it).replace(/%../g, (code) => code.toLowerCase())),
  'a form': (value, before) => text(value, (it) => new URLSearchParams({ a: before + it }).toString()),
  'percent for all': (value) => value.toString('hex').replace(/../g, '%$&'),
  JSON: (value, before, after) => text(value, (it) => JSON.stringify({ a: [before + it + after] })),
  'JSON in JSON': (value) => text(value, (it) => JSON.stringify(JSON.stringify({ a: it }))),
  'JSON in ASCII': (value) =>
    text(value, (it) =>
      it
        .split('')
        .map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join(''),
    ),
  'a row of Postgres': (value) => text(value, (it) => `(1,"${it.replaceAll('\\', '\\\\').replaceAll('"', '""')}")`),
  'a literal of SQL': (value) => text(value, (it) => `'${it.replaceAll("'", "''")}'`),
};

function joined(value: Buffer, before: string, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), value, Buffer.from(after)]);
}
function text(value: Buffer, write: (it: string) => string): string | undefined {
  const it = value.toString();
  return Buffer.from(it).equals(value) ? write(it) : undefined;
}

describe.each(Object.entries(SECRETS))('%s', (name, secret) => {
  test.each(Object.entries(WRITERS))('%s is found, whatever stands around it', (_writer, write) => {
    for (const [before, after] of AROUND) {
      const planted = write(Buffer.from(secret), before, after);
      if (planted === undefined) continue;
      expect([planted, findSecrets([{ where: 'log', text: `… ${planted} …` }], { [name]: secret })]).not.toEqual([
        planted,
        [],
      ]);
    }
  });
});

test('it is said where, what and how', () => {
  const found = findSecrets(
    [
      { where: 'table a', text: 'x' },
      { where: 'table b', text: 'y 6e6f 736563726574 z' },
    ],
    { one: 'secret', two: 'other' },
  );
  expect(found).toEqual(['table b: one, hex']);
});

test('a secret that was cut is found by what is left of it', () => {
  const log = { where: 'log', text: `Received type string ('${SECRETS.long.slice(0, 25)}...')` };
  expect(findSecrets([log], { long: SECRETS.long })).toEqual(
    expect.arrayContaining(['log: long (its beginning), raw']),
  );
});

test('what is not there is not found', () => {
  const other = {
    where: 'log',
    text: JSON.stringify({ kq7zpx2mvt9lwr4cybn8: 'KQ7ZPX', list: [...Array(256).keys()] }),
  };
  expect(findSecrets([other], SECRETS)).toEqual([]);
});
