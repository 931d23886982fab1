import { format, inspect } from 'node:util';
import { Secret } from '../../src/domain/secret.ts';

const VALUE = 'correct horse battery staple';
const secret = new Secret(VALUE);
const wrapped = { deep: [{ secret }], map: new Map([['secret', secret]]), error: new Error('x', { cause: secret }) };

test.each([
  ['String', String(secret)],
  ['concatenation', 'it is ' + String(secret)],
  ['JSON', JSON.stringify(wrapped.deep)],
  ['inspect', inspect(wrapped, { depth: Infinity, showHidden: true, getters: true })],
  ['format', format('%s %o %O %j', secret, secret, secret, wrapped.deep)],
  [
    'its members',
    JSON.stringify([Object.entries(secret), Object.getOwnPropertyNames(secret), Reflect.ownKeys(secret)]),
  ],
  ['a copy', JSON.stringify(Object.assign({}, secret))],
  ['a clone', inspect(structuredClone(secret))],
])('is not written by %s', (_, text) => {
  expect(text).not.toContain(VALUE);
});

test('is handed over where it crosses to its owner', () => {
  expect(secret.reveal()).toBe(VALUE);
});
