// Logs one line for each thing that could bring a secret along, as a process of its own: the log writes to a descriptor.
// The secret is the first argument, the level the second.
import { randomBytes } from 'node:crypto';
import { Fault, ProviderError, Refusal } from '../../src/domain/errors.ts';
import { Secret } from '../../src/domain/secret.ts';
import { makeLog } from '../../src/logging.ts';

const [, , secret = '', level = 'trace'] = process.argv;
const log = makeLog(level, 1);
const peer = (message: string, members: object = {}) => Object.assign(new Error(message), members);
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

const LINES: Readonly<Record<string, unknown>> = {
  'a secret': new Secret(secret),
  'a secret further down': { credential: { password: new Secret({ password: secret }) }, list: [new Secret(secret)] },
  'a message': peer(`password ${secret} is wrong`),
  'a message of several lines': peer(`no\n    at ${secret} (file:1:1)\n    at ${secret}:2:2`),
  'a message that was changed afterwards': Object.assign(peer(`    at ${secret}`), { message: 'changed' }),
  'members of a database’s error': peer('no', {
    detail: secret,
    where: secret,
    hint: secret,
    query: secret,
    code: '28P01',
  }),
  'a code that is none': peer('no', { code: `28P01 ${secret}` }),
  'a name that is none': peer('no', { name: `Error ${secret}` }),
  'a cause': new Fault('ledger_unavailable', { cause: peer(secret, { cause: new SyntaxError(secret) }) }),
  'a cause behind a refusal': new Refusal('evidence_invalid', {}, { cause: peer(secret) }),
  'facts of a refusal': new ProviderError('provider_refused', {
    nothingLives: true,
    facts: { found: 1 },
    cause: secret,
  }),
  'what Node says of a wrong argument': thrown(() => randomBytes(secret as never)),
  'what Node says of a wrong value': thrown(() => Buffer.from([]).toString(secret as never)),
  'what JSON says': thrown(() => JSON.parse(`{"a":${secret}}`)),
  'many errors at once': new AggregateError([peer(secret)], secret),
  'no error at all': Object.assign(Object.create(Error.prototype) as object, { message: secret, stack: secret }),
};
for (const [message, error] of Object.entries(LINES)) {
  log.warn({ error }, message);
  log.error({ somewhere: error, code: (error as { code?: unknown }).code === 'x' }, `${message}, under another name`);
}
log.info({ err: peer(secret), cause: peer(secret) }, 'under names that a logger knows');
