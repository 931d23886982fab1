import { parseToken } from '../../src/attesters/token.ts';
import { Refusal } from '../../src/domain/errors.ts';
import { base64url, makeTestKey, signCompact, signInput } from '../support/issuer.ts';

const key = makeTestKey('key-1');
const HEADER = '{"alg":"ES256","kid":"key-1","typ":"JWT"}';
const PAYLOAD = '{"sub":"someone","exp":2000000000}';
const good = signCompact(key, HEADER, PAYLOAD);

const [header = '', payload = '', signature = ''] = good.split('.');
/** A signed token of these texts. */
const of = (headerText: string, payloadText = PAYLOAD) => signCompact(key, headerText, payloadText);
const withHeader = (members: object) => of(JSON.stringify({ alg: 'ES256', ...members }));

function codeOf(raw: string): string {
  try {
    parseToken(raw);
    return 'accepted';
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

/** The same bytes, spelt with other spare bits in the last character: 64 bytes leave four of them. */
function otherSpareBits(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(part.slice(-1));
  return part.slice(0, -1) + alphabet.charAt(last ^ 1);
}

test('a good token is taken apart', () => {
  expect(parseToken(good)).toEqual({
    raw: good,
    header: { alg: 'ES256', kid: 'key-1', typ: 'JWT' },
    payload: { sub: 'someone', exp: 2_000_000_000 },
  });
});

test('spare bits: the other spelling does decode to the same bytes', () => {
  expect(Buffer.from(otherSpareBits(signature), 'base64url')).toEqual(Buffer.from(signature, 'base64url'));
  expect(otherSpareBits(signature)).not.toBe(signature);
});

test.each([
  ['nothing', ''],
  ['one part', header],
  ['two parts', `${header}.${payload}`],
  ['four parts', `${good}.AAAA`],
  ['five parts, as a JWE has', `${good}.AAAA.AAAA`],
  ['no header', `.${payload}.${signature}`],
  ['no payload', `${header}..${signature}`],
  ['no signature', `${header}.${payload}.`],
  ['padding', `${good}==`],
  ['padding inside', `${header}=.${payload}.${signature}`],
  ['a line end behind', `${good}\n`],
  ['a space before', ` ${good}`],
  ['a space inside', `${header}.${payload} .${signature}`],
  ['a line end inside', `${header}.${payload.slice(0, 8)}\n${payload.slice(8)}.${signature}`],
  ['a NUL behind', `${good}\0`],
  ['other spare bits in the signature', `${header}.${payload}.${otherSpareBits(signature)}`],
  ['a length that base64url cannot have', `${header}.${payload}.${signature.slice(0, -1)}`],
  ['the plain base64 alphabet', `${header}.${payload}.${signature.slice(0, -2)}+/`],
  ['letters outside ASCII', `${header}.${payload}.${signature}ſ`],
  ['too long', signCompact(key, HEADER, JSON.stringify({ sub: 'x'.repeat(8_192) }))],
  ['JSON serialisation', JSON.stringify({ protected: header, payload, signature })],
  ['a header that is no JSON', of('{alg:ES256}')],
  ['a header that is an array', of('["ES256"]')],
  ['a header that is null', of('null')],
  ['a payload that is text', of(HEADER, '"someone"')],
  ['a payload that is a number', of(HEADER, '1')],
  ['a payload that is no JSON', of(HEADER, '{"sub":"someone"}}')],
  ['a byte order mark', of(HEADER, '\ufeff{"sub":"someone"}')],
  ['bytes that are not UTF-8', rawPayload(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))],
  ['a duplicate claim', of(HEADER, '{"sub":"someone","sub":"admin"}')],
  ['a duplicate claim with another between', of(HEADER, '{"sub":"a","aud":"b","sub":"c"}')],
  ['a duplicate that is written with an escape', of(HEADER, '{"sub":"someone","\\u0073ub":"admin"}')],
  ['a duplicate deeper down', of(HEADER, '{"a":{"b":[{"c":1,"c":2}]}}')],
  ['a duplicate __proto__', of(HEADER, '{"__proto__":1,"__proto__":2}')],
  ['a duplicate header', of('{"alg":"none","alg":"ES256"}')],
  ['a deep nest', of(HEADER, `{"a":${'['.repeat(20)}${']'.repeat(20)}}`)],
  ['alg missing', of('{"kid":"key-1"}')],
  ['alg that is no text', of('{"alg":1}')],
  ['alg that is a list', of('{"alg":["ES256"]}')],
  ['kid that is no text', withHeader({ kid: 1 })],
  ['typ that is no text', withHeader({ typ: ['JWT'] })],
])('malformed: %s', (_what, raw) => {
  expect(codeOf(raw)).toBe('evidence_malformed');
});

test.each([
  ['an embedded key', { jwk: key.jwk }],
  ['a URL of keys', { jku: 'https://attacker.example/jwks.json' }],
  ['a URL of a certificate', { x5u: 'https://attacker.example/cert.pem' }],
  ['an embedded certificate', { x5c: ['MIIB'] }],
  ['an unknown critical extension', { crit: ['exp'], exp: 1 }],
  ['an empty crit', { crit: [] }],
  ['a known critical extension', { crit: ['b64'], b64: false }],
  ['b64 alone', { b64: false }],
  ['compression', { zip: 'DEF' }],
  ['encryption', { enc: 'A128GCM' }],
])('never accepted in a header: %s', (_what, members) => {
  expect(codeOf(withHeader(members))).toBe('evidence_invalid');
});

test.each([
  ['the same name in two objects', '{"a":{"x":1},"b":{"x":2}}'],
  ['the same name in objects of a list', '{"a":[{"x":1},{"x":2}]}'],
  ['a value that equals a name', '{"a":"b","b":"a"}'],
  ['structure inside text', '{"a":"{\\"b\\":1,\\"b\\":2}","c":"]}:,"}'],
  ['escaped quotes and backslashes', '{"a\\\\":"\\\\\\"","a\\"":1}'],
  ['empty containers', '{"a":{},"b":[],"c":[[],{}]}'],
])('accepted: %s', (_what, text) => {
  expect(codeOf(of(HEADER, text))).toBe('accepted');
});

test('a refusal does not carry the token', () => {
  const raw = of(HEADER, '{"sub":"very-private","sub":"x"}');
  try {
    parseToken(raw);
    throw new Error('accepted');
  } catch (error) {
    const told: string[] = [];
    for (let at: unknown = error; at instanceof Error; at = at.cause) told.push(at.message, JSON.stringify(at));
    expect(told.join()).not.toMatch(/very-private|eyJ/);
  }
});

function rawPayload(bytes: Buffer): string {
  const input = `${base64url(HEADER)}.${bytes.toString('base64url')}`;
  return `${input}.${signInput(key, input)}`;
}
