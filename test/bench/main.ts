/**
 * `npm run bench`: issuances through the whole broker, one process, HTTP and the load on the same cores, beside the floor measured in the
 * same run. Options: --quick (fewer calls), --only floor|jwt|fresh|postgres|delays|memory|evaluations.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { makeClient } from '../../src/client/index.ts';
import { readRules } from '../../src/config/index.ts';
import { startBrokerProcess } from './broker-process.ts';
import { evaluations } from './evaluations.ts';
import type { FloorInput } from './floor.ts';
import { openCaller, post } from './http-caller.ts';
import { measure } from './measure.ts';
import type { Figures } from './measure.ts';
import { startBench, writeConfig } from './servers.ts';

const inProject = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const quick = process.argv.includes('--quick');
const only = process.argv[process.argv.indexOf('--only') + 1];
const wanted = (part: string) =>
  !process.argv.includes('--only') ||
  only === part ||
  (part === 'floor' && only !== 'memory' && only !== 'evaluations');
const CALLERS = [1, 8, 64];
const COUNT = quick ? 2_000 : 8_000;
const WORKLOADS = 100;
const MEMORY_TOTAL = quick ? 10_000 : 100_000;
const say = (line: string) => process.stdout.write(`${line}\n`);

const bench = await startBench();
const rulesDirectory = inProject('config');
const config = await writeConfig(bench, rulesDirectory);
const broker = await startBrokerProcess(config);
try {
  const operator = await bench.issuer.operatorToken('platform');
  await makeClient({ url: broker.url, operatorToken: () => operator }).operator.apply(await readRules(rulesDirectory));
  const tokens = await Promise.all(
    Array.from({ length: WORKLOADS }, (_, n) =>
      bench.issuer.identityToken(`spiffe://dev.local/agent/${n}`, 'writ-bench', 3_000),
    ),
  );

  const floor = async () =>
    floorFigures({
      ledgerUrl: bench.ledgerUrl,
      bundleFile: bench.issuer.bundleFile,
      token: tokens[0] ?? '',
      rulesDirectory,
      callers: CALLERS,
      count: COUNT,
    });
  const path = async (profile: string, count: number, tokensFor = async (): Promise<readonly string[]> => tokens) => {
    const figures: Figures[] = [];
    for (const callers of CALLERS) figures.push(await issuances(profile, callers, count, await tokensFor()));
    return figures;
  };
  /** One for each request: nothing that was verified before helps. */
  const freshTokens = () =>
    Promise.all(
      Array.from({ length: COUNT }, (_, n) =>
        bench.issuer.identityToken(`spiffe://dev.local/agent/${n % WORKLOADS}`, 'writ-bench', 3_000),
      ),
    );

  say(
    `issuances, ${COUNT} for each row (postgres: ${COUNT / 4}), ${WORKLOADS} workloads that reuse their tokens, node ${process.version}\n`,
  );
  const base = wanted('floor') ? await floor() : [];
  if (base.length > 0) table('floor: verify, decide, two SQL calls, sign; no HTTP', base, base);
  if (wanted('jwt')) table('jwt, through the broker', await path('tools-refund-read', COUNT), base);
  if (wanted('fresh'))
    table('jwt, a fresh token for each request', await path('tools-refund-read', COUNT, freshTokens), base);
  if (wanted('postgres')) table('postgres, through the broker', await path('orders-read', COUNT / 4), base);
  if (wanted('delays')) {
    for (const ms of [2, 5]) {
      await bench.delayCommits(ms);
      const slow = await floor();
      table(`floor, ${ms} ms added to each commit`, slow, slow);
      table(`jwt, ${ms} ms added to each commit`, await path('tools-refund-read', COUNT), slow);
    }
    await bench.delayCommits(0);
  }
  if (wanted('memory')) await memory(tokens);
  if (wanted('evaluations')) {
    const token = tokens[0] ?? '';
    await evaluations({ url: broker.url, ledgerUrl: bench.ledgerOwnerUrl, operatorToken: operator, token, quick, say });
  }
} finally {
  await broker.stop();
  await bench.stop();
}

async function floorFigures(input: FloorInput): Promise<Figures[]> {
  const args = [
    '--no-warnings',
    '--import',
    inProject('.config/ts-loader.js'),
    inProject('test/bench/floor.ts'),
    JSON.stringify(input),
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const figures: Figures[] = [];
  for await (const line of createInterface({ input: child.stdout })) figures.push(JSON.parse(line) as Figures);
  return figures;
}

async function issuances(
  profile: string,
  callers: number,
  count: number,
  tokens: readonly string[],
  ttl?: number,
): Promise<Figures> {
  const body = { profile, purpose: 'bench', ...(ttl === undefined ? {} : { ttl_seconds: ttl }) };
  const requests = tokens.map((token) => post('/v1/grants', token, body));
  const connections = Array.from({ length: callers }, () => openCaller(broker.url));
  let next = 0;
  try {
    return await measure(callers, count, async (caller) => {
      const request = requests[next++ % requests.length];
      const answer = request && (await connections[caller]?.call(request));
      if (answer?.status !== 201)
        throw new Error(`an issuance was answered ${answer?.status}: ${answer?.body.slice(0, 300)}`);
    });
  } finally {
    for (const connection of connections) connection.close();
  }
}

function table(title: string, rows: readonly Figures[], base: readonly Figures[]): void {
  say(title);
  say('  callers   per second   p50 ms   p99 ms   of the floor');
  for (const { callers, perSecond, p50, p99 } of rows) {
    const floor = base.find((row) => row.callers === callers);
    const ratio = floor ? (perSecond / floor.perSecond).toFixed(2) : '-';
    say(
      `  ${String(callers).padStart(7)} ${perSecond.toFixed(0).padStart(12)} ${p50.toFixed(2).padStart(8)} ${p99.toFixed(2).padStart(8)} ${ratio.padStart(14)}`,
    );
  }
  say('');
}

/** Grants of a short life, so that the reaper is at work as well: resident memory must stay flat. */
async function memory(tokens: readonly string[]): Promise<void> {
  say(`memory of the broker over ${MEMORY_TOTAL} issuances that expire after 5 s`);
  const parts = 10;
  for (let part = 1; part <= parts; part++) {
    const { perSecond } = await issuances('tools-refund-read', 16, MEMORY_TOTAL / parts, tokens, 5);
    say(
      `  after ${String((MEMORY_TOTAL / parts) * part).padStart(7)}: ${residentMiB(broker.pid).toFixed(0)} MiB resident, ${perSecond.toFixed(0)} per second`,
    );
  }
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}
