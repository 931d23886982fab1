/**
 * Decisions on calls through the whole broker, HTTP and ledger included, beside what they cannot do without, measured in the same run: Cedar
 * itself, called in this process, and one commit. Rounds are interleaved, so that what else the machine does falls on all alike.
 */
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import pg from 'pg';
import { makeClient } from '../../src/client/index.ts';
import { freshSchema, SCHEMA_FILE } from '../../src/config/index.ts';
import type { RuleFiles } from '../../src/config/index.ts';
import { toCedar } from '../../src/policy/call.ts';
import { makeCedarCompiler } from '../../src/policy/index.ts';
import type { CallRequest } from '../../src/policy/index.ts';
import { providerKinds } from '../../src/providers/index.ts';
import { openCaller, post } from './http-caller.ts';
import { measure } from './measure.ts';
import type { Part } from './part.ts';
import type { World } from './world.ts';

const PROVIDERS = [{ name: 'tools', kind: 'jwt', on: true }];
const BATCH = 100;
const SCRATCH =
  'create table if not exists bench_commits (id bigint generated always as identity primary key, note text)';
const COMMIT = { name: 'bench_commit', text: 'insert into bench_commits (note) values ($1)', values: ['x'] };

export const evaluations: Part = {
  name: 'evaluations',
  async run(world) {
    const ledger = new pg.Client({ connectionString: world.bench.ledgerOwnerUrl });
    await ledger.connect();
    await ledger.query(SCRATCH);
    const operatorToken = await world.bench.issuer.operatorToken('platform');
    const { operator } = makeClient({ url: world.brokerUrl, operatorToken });
    try {
      for (const count of [10, 100, 1_000]) {
        const files = rulesOf(count);
        await operator.apply(files);
        await onePolicySet(world, ledger, count, files);
      }
    } finally {
      await ledger.end();
    }
  },
};

/** As many policies, of which few concern the tool that is called: as in a real set. */
function rulesOf(count: number): RuleFiles {
  const policies = Array.from({ length: count }, (_, n) =>
    n === 0
      ? `@id("p0") permit (principal in Trust::"dev", action == Action::"call", resource == Tool::"t0") when { context.arguments has amount && context.arguments.amount <= 1000 };`
      : `@id("p${n}") ${n % 5 === 4 ? 'forbid' : 'permit'} (principal in Trust::"dev", action == Action::"call", resource == Tool::"t${n}") when { resource.effect == "purchase" && context.arguments has amount && context.arguments.amount <= ${n * 100} };`,
  );
  const tool = [
    'name: t0',
    'owner: payments',
    'environment: development',
    'effect: purchase',
    'arguments: { type: object, required: [amount, order], properties: { amount: { type: integer }, order: { type: string, maxLength: 12 } } }',
    'mapping: { amount: { type: Long, cel: arguments.amount }, order: { type: String, cel: arguments.order } }',
    '',
  ].join('\n');
  const files = { 'policies/p.cedar': policies.join('\n'), 'tools/t.yaml': tool };
  const deps = { providers: PROVIDERS, providerKinds, policyCompiler: makeCedarCompiler() };
  return { ...files, [SCHEMA_FILE]: freshSchema(files, deps) };
}

const REQUEST: CallRequest = {
  principal: { trust: 'dev', id: 'spiffe://dev.local/agent/0', groups: [], attributes: {} },
  action: 'call',
  resource: { tool: 't0', declared: 't0', owner: 'payments', environment: 'development', effect: 'purchase' },
  context: {
    task: { purpose: '', mode: 'autonomous', environment: 'development', implicit: true },
    now: '2026-01-01T00:00:00Z',
    arguments: { amount: 42, order: '4711' },
  },
};

/** Cedar alone: what it is asked is ready, and what it answers is only looked at. */
function cedarCall(files: RuleFiles): () => void {
  const name = `bench-${files[SCHEMA_FILE]?.length}-${files['policies/p.cedar']?.length}`;
  cedar.preparseSchema(name, files[SCHEMA_FILE] ?? '');
  cedar.preparsePolicySet(name, { staticPolicies: files['policies/p.cedar'] ?? '' });
  const asked = {
    ...toCedar(REQUEST),
    preparsedPolicySetId: name,
    preparsedSchemaName: name,
    validateRequest: true,
  };
  return () => {
    const answer = cedar.statefulIsAuthorized(asked);
    if (answer.type !== 'success' || answer.response.decision !== 'allow') throw new Error(JSON.stringify(answer));
  };
}

interface Round {
  readonly cedar: number;
  readonly commit: number;
  readonly single: number;
  readonly batch: number;
}

async function onePolicySet(world: World, ledger: pg.Client, count: number, files: RuleFiles): Promise<void> {
  const { quick, say } = world;
  const [rounds, calls, batches] = quick ? [3, 100, 8] : [9, 300, 20];
  const asked = cedarCall(files);
  const { single, batch, close } = open(world);
  const all: Round[] = [];
  try {
    const commit = async () => {
      await ledger.query(COMMIT);
    };
    // A broker runs for days: what its first thousands of decisions cost is not what is asked.
    await measure(1, 500, async () => asked());
    await measure(1, 500, single);
    await measure(1, 50, batch);
    for (let round = 0; round < rounds; round++) {
      all.push({
        cedar: (await measure(1, calls, async () => asked())).p50,
        commit: (await measure(1, calls, commit)).p50,
        single: (await measure(1, calls, single)).p50,
        batch: (await measure(1, batches, batch)).p50,
      });
    }
    report(count, all, say);
    await throughput(world);
    await besideBatches(world);
    say('');
  } finally {
    close();
  }
}

const ms = (value: number) => `${value.toFixed(2)} ms`;
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

function report(count: number, rounds: readonly Round[], say: (line: string) => void): void {
  const over = rounds.map((round) => round.single - round.cedar - round.commit);
  const ratio = rounds.map((round) => round.batch / (BATCH * round.cedar + round.commit));
  const of = (name: keyof Round) => ms(median(rounds.map((round) => round[name])));
  say(`${count} policies (medians of ${rounds.length} interleaved rounds, p50 of each)`);
  say(`  cedar ${of('cedar')}   commit ${of('commit')}   single ${of('single')}   batch of ${BATCH} ${of('batch')}`);
  say(`  a single costs ${ms(median(over))} more than cedar and one commit (expected: at most 2 ms)`);
  say(`  a batch costs ${median(ratio).toFixed(2)} of ${BATCH} times cedar and one commit (expected: at most 1.10)`);
}

function open({ brokerUrl, tokens: [token = ''] }: World) {
  const caller = openCaller(brokerUrl);
  const one = { action: { name: 'call' }, resource: { type: 'tool', id: 't0' } };
  const context = { arguments: { amount: 42, order: '4711' } };
  const single = post('/access/v1/evaluation', token, { ...one, context });
  const batch = post('/access/v1/evaluations', token, {
    ...one,
    evaluations: Array.from({ length: BATCH }, () => ({ context })),
  });
  const ask = async (request: Buffer, allowed: number) => {
    const { status, body } = await caller.call(request);
    if (status !== 200 || body.split('"decision":true').length !== allowed + 1)
      throw new Error(`${status} ${body.slice(0, 300)}`);
  };
  return { single: () => ask(single, 1), batch: () => ask(batch, BATCH), close: caller.close };
}

async function throughput(world: World): Promise<void> {
  const callers = Array.from({ length: 8 }, () => open(world));
  const singles = await measure(8, world.quick ? 400 : 4_000, async (caller) => callers[caller]?.single());
  const batches = await measure(2, world.quick ? 16 : 80, async (caller) => callers[caller]?.batch());
  for (const caller of callers) caller.close();
  world.say(
    `  singles, 8 callers: ${singles.perSecond.toFixed(0)} per second, p50 ${ms(singles.p50)}, p99 ${ms(singles.p99)};` +
      ` batches of ${BATCH}, 2 callers: ${(batches.perSecond * BATCH).toFixed(0)} evaluations per second, p50 ${ms(batches.p50)}, p99 ${ms(batches.p99)}`,
  );
}

/** Singles of one caller, alone and while another sends one batch after the other. */
async function besideBatches(world: World): Promise<void> {
  const [one, other] = [open(world), open(world)];
  const count = world.quick ? 200 : 1_000;
  const alone = await measure(1, count, one.single);
  const stream = { going: true };
  const batches = (async () => {
    while (stream.going) await other.batch();
  })();
  const beside = await measure(1, count, one.single);
  stream.going = false;
  await batches;
  for (const caller of [one, other]) caller.close();
  world.say(
    `  singles alone: p50 ${ms(alone.p50)}, p99 ${ms(alone.p99)}; beside a stream of batches: p50 ${ms(beside.p50)}, p99 ${ms(beside.p99)}`,
  );
}
