import { canonicalJson, isJsonObject } from '../../src/domain/json.ts';
import type { Json } from '../../src/domain/json.ts';
import type { Answer } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

/** Whatever is sent, the answer is one that was meant: never a 500. A failure names the seed that makes it again. */
const SEED = Math.floor(Math.random() * 2 ** 32);
const ROUNDS = 400;
const AT_ONCE = 8;

let broker: RunningBroker;
beforeAll(async () => {
  broker = await startRunningBroker();
});
afterAll(() => broker.close());

/** Mulberry32: the same numbers for the same seed. */
function makeRandom(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  return { below, pick: <T>(all: readonly [T, ...T[]]): T => all[below(all.length)] ?? all[0] };
}
type Random = ReturnType<typeof makeRandom>;

const NAMES = [
  'profile',
  'parameters',
  'ttl_seconds',
  'purpose',
  'selector',
  'reason',
  'files',
  'dry_run',
  'agent',
  'all',
  'ticket',
  'toString',
  '__proto__',
  '',
  '\0',
  '\ud800',
  'ä',
  '{{parameters.ticket}}',
] as const;
const VALUES: readonly [Json, ...Json[]] = [
  'lookup',
  'ticket',
  'orders-read',
  'off',
  '',
  '0',
  '1',
  'x'.repeat(300),
  '\0',
  '\udfff',
  "'; drop table grants; --",
  '{{parameters.x}}',
  '%00',
  '../../etc/passwd',
  'spiffe://test.example/agent/one',
  '\u202e',
  '😀',
  0,
  1,
  -1,
  1.5,
  60,
  1e21,
  2_592_000,
  true,
  false,
  null,
];

function anything(random: Random, depth: number): Json {
  const kind = depth > 3 ? 0 : random.below(6);
  if (kind === 4) return Array.from({ length: random.below(4) }, () => anything(random, depth + 1));
  if (kind !== 5) return random.pick(VALUES);
  return object(random, depth);
}

function object(random: Random, depth: number): Json {
  const members = Array.from(
    { length: random.below(6) },
    () => [random.pick(NAMES), anything(random, depth + 1)] as const,
  );
  // as text first: an object's literal would take __proto__ for something else
  return JSON.parse(
    `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`,
  ) as Json;
}

/** A request that is right but for what was changed of it. */
function nearlyRight(random: Random): Json {
  const right = {
    profile: random.pick(['lookup', 'ticket', 'orders-read']),
    purpose: 'fuzz',
    parameters: { ticket: '1' },
  };
  return { ...right, ...(object(random, 1) as object) };
}

const ROUTES = [
  'POST /v1/grants',
  'POST /v1/grants/ID/renew',
  'POST /v1/grants/ID/revoke',
  'POST /v1/revocations',
  'POST /v1/revocations/o000000000000000000000/lift',
  'POST /v1/generations',
] as const;

async function run(times: number, one: (random: Random) => Promise<{ sent: unknown; answer: Answer }>) {
  const wrong: unknown[] = [];
  for (let round = 0; round < times; round += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, (_, i) => one(makeRandom(SEED + round + i)));
    for (const { sent, answer } of await Promise.all(batch)) {
      const meant =
        answer.status < 500 && (answer.status < 400 || typeof answer.code === 'string' || answer.text === '');
      if (!meant) wrong.push({ seed: SEED, sent, status: answer.status, text: answer.text.slice(0, 200) });
    }
  }
  return wrong;
}

test('bodies', async () => {
  const as = {
    agent: broker.people.workload('agent/fuzz'),
    security: broker.people.operator('security'),
    platform: broker.people.operator('platform'),
  };
  const { body } = await broker.ask('POST', '/v1/grants', {
    as: as.agent,
    json: { profile: 'lookup', purpose: 'fuzz' },
  });
  const wrong = await run(ROUNDS, async (random) => {
    const route = random.pick(ROUTES).replace('ID', String(body['id']));
    const [method = '', path = ''] = route.split(' ');
    const who = path.startsWith('/v1/rev') ? as.security : path === '/v1/generations' ? as.platform : as.agent;
    const json = path === '/v1/grants' && random.below(2) === 0 ? nearlyRight(random) : anything(random, 0);
    // an order over everything would end the fuzzing of what comes after it
    const sent = path === '/v1/revocations' && isJsonObject(json) ? { ...json, dry_run: true } : json;
    return { sent: [route, canonicalJson(sent)], answer: await broker.ask(method, path, { as: who, json: sent }) };
  });
  expect(wrong).toEqual([]);
});

test('queries and ids', async () => {
  const security = broker.people.operator('security');
  const wrong = await run(ROUNDS / 2, async (random) => {
    const text = () => encodeURIComponent(String(random.pick(VALUES)).replace(/\p{Surrogate}/gu, '?'));
    const query = Array.from(
      { length: random.below(4) },
      () => `${random.pick(['state', 'agent', 'cursor', 'limit', 'x'])}=${text()}`,
    );
    const path = random.below(2) === 0 ? `/v1/grants?${query.join('&')}` : `/v1/grants/${text()}`;
    return { sent: path, answer: await broker.ask('GET', path, { as: security }) };
  });
  expect(wrong).toEqual([]);
});

test('tokens', async () => {
  const token = broker.people.workload('agent/fuzz');
  const wrong = await run(ROUNDS, async (random) => {
    const at = random.below(token.length);
    const cut = random.below(8);
    const char = random.pick(['A', '.', '-', '=', '_', '~', '"', '\t', 'é']);
    const as =
      random.below(3) === 0
        ? token.slice(0, at)
        : token.slice(0, at) + char.repeat(random.below(3)) + token.slice(at + cut);
    const bearer = await broker.ask('POST', '/v1/grants', { as, json: { profile: 'lookup', purpose: 'fuzz' } });
    const form = await broker.ask('POST', '/oauth/introspect', {
      as: broker.people.workload('gateway'),
      form: { token: as },
    });
    const answer = bearer.status >= 500 ? bearer : form;
    const changed = as !== token;
    if (changed && bearer.status < 400) throw new Error(`an altered token was accepted (seed ${SEED})`);
    return { sent: at, answer };
  });
  expect(wrong).toEqual([]);
});

test('nothing that broke here was met on the way', () => {
  expect(broker.log.filter(({ facts }) => facts['code'] === 'internal_error')).toEqual([]);
});
