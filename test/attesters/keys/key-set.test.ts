import { generateKeyPairSync } from 'node:crypto';
import { makeKeySetParser, type KeyUse } from '../../../src/attesters/keys/key-set.ts';
import { makeTestKey } from '../../support/issuer.ts';

type Jwk = Readonly<Record<string, unknown>>;

const ec = makeTestKey('ec', 'ES256');
const rsa = makeTestKey('rsa', 'RS256');
const ed = makeTestKey('ed', 'EdDSA');

const parse = (keys: unknown, use: KeyUse = 'sig') => makeKeySetParser(use)(JSON.stringify({ keys }));
const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
const without = ({ alg: _alg, ...jwk }: Jwk): Jwk => jwk;

test.each<[string, Jwk, readonly string[]]>([
  ['EC with alg', ec.jwk, ['ES256']],
  ['EC without alg', without(ec.jwk), ['ES256']],
  ['RSA with alg', rsa.jwk, ['RS256']],
  ['RSA without alg', without(rsa.jwk), ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ['Ed25519 without alg', without(ed.jwk), ['EdDSA', 'Ed25519']],
  ['key_ops with verify', { ...ec.jwk, key_ops: ['verify'] }, ['ES256']],
])('accepted: %s', async (_what, jwk, algorithms) => {
  const { keys, refused } = await parse([jwk]);
  expect(refused).toEqual([]);
  expect(keys.map((key) => key.algorithms)).toEqual([algorithms]);
});

test.each<[string, Jwk, string]>([
  ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' }, 'key_type'],
  ['an unknown type', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA' }, 'key_type'],
  ['no type', { n: 'AQAB' }, 'key_type'],
  ['a private key', { ...ec.privateKey.export({ format: 'jwk' }) }, 'private_key_published'],
  ['a private RSA key', { ...rsa.privateKey.export({ format: 'jwk' }) }, 'private_key_published'],
  ['a kid that is no text', { ...ec.jwk, kid: 1 }, 'key_malformed'],
  ['for signing only', { ...ec.jwk, key_ops: ['sign'] }, 'key_operations'],
  ['key_ops that is no list', { ...ec.jwk, key_ops: 'verify' }, 'key_operations'],
  ['an algorithm of another type', { ...ec.jwk, alg: 'RS256' }, 'key_algorithm'],
  ['an algorithm of another curve', { ...ec.jwk, alg: 'ES384' }, 'key_algorithm'],
  ['a symmetric algorithm', { ...rsa.jwk, alg: 'HS256' }, 'key_algorithm'],
  ['a curve without signatures', { ...ed.jwk, crv: 'X25519' }, 'key_algorithm'],
  ['an unknown curve', { ...ec.jwk, alg: undefined, crv: 'secp256k1' }, 'key_algorithm'],
  ['a coordinate missing', { ...ec.jwk, y: undefined }, 'key_malformed'],
  ['a point that is not on the curve', { ...ec.jwk, y: ec.jwk['x'] }, 'key_malformed'],
  ['RSA of 1024 bits', { ...small }, 'rsa_too_small'],
  ['RSA with exponent 1', { ...rsa.jwk, e: 'AQ' }, 'rsa_exponent'],
  ['RSA with an even exponent', { ...rsa.jwk, e: 'BA' }, 'rsa_exponent'],
])('refused, and the others of the set are not: %s', async (_what, jwk, reason) => {
  const { keys, refused } = await parse([jwk, rsa.jwk]);
  expect(refused).toEqual([reason]);
  expect(keys.map(({ kid }) => kid)).toEqual(['rsa']);
});

test.each<[KeyUse, unknown, number]>([
  ['sig', 'sig', 1],
  ['sig', undefined, 1],
  ['sig', 'enc', 0],
  ['sig', 'jwt-svid', 0],
  ['sig', 7, 0],
  ['jwt-svid', 'jwt-svid', 1],
  ['jwt-svid', undefined, 0],
  ['jwt-svid', 'sig', 0],
  ['jwt-svid', 'x509-svid', 0],
  ['jwt-svid', 'JWT-SVID', 0],
  ['jwt-svid', null, 0],
])('for %s a key with use %p counts %i times', async (use, published, count) => {
  expect((await parse([{ ...ec.jwk, use: published }], use)).keys).toHaveLength(count);
});

test.each([
  ['no JSON', '{'],
  ['a list', '[]'],
  ['no keys', '{}'],
  ['keys that are no list', '{"keys":{}}'],
  ['duplicate keys', '{"keys":[],"keys":[]}'],
  ['a web page', '<html></html>'],
  ['more keys than anybody needs', JSON.stringify({ keys: Array.from({ length: 65 }, () => ({})) })],
])('not a key set: %s', async (_what, text) => {
  await expect(makeKeySetParser('sig')(text)).rejects.toThrow();
});

test('an empty set is a set: it trusts nothing', async () => {
  expect(await parse([])).toEqual({ keys: [], refused: [], refreshSeconds: undefined });
});

test('a key that stays is the same object, one that changes is not', async () => {
  const parser = makeKeySetParser('sig');
  const read = async (...keys: Jwk[]) => (await parser(JSON.stringify({ keys }))).keys;
  const [first] = await read(ec.jwk, rsa.jwk);
  const [, second] = await read(rsa.jwk, { ...ec.jwk, extra: 'member' });
  const [third] = await read({ ...ec.jwk, kid: 'renamed' });
  const [fourth] = await read({ ...makeTestKey('ec').jwk });
  expect(second).toBe(first);
  expect(third).not.toBe(first);
  expect(fourth).not.toBe(first);
});

test.each([
  [60, 60],
  [0, undefined],
  [-1, undefined],
  ['60', undefined],
])('refresh hint %p is read as %p', async (hint, want) => {
  const text = JSON.stringify({ keys: [], spiffe_refresh_hint: hint });
  expect((await makeKeySetParser('jwt-svid')(text)).refreshSeconds).toBe(want);
});
