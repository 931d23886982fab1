import { fileURLToPath } from 'node:url';
import { makeClient } from '../../src/client/index.ts';
import { readRules } from '../../src/config/index.ts';
import type { RuleFiles } from '../../src/config/index.ts';
import { startBrokerProcess } from './broker-process.ts';
import type { DirectInput } from './direct.ts';
import { startFloor } from './floor-process.ts';
import type { Floor } from './floor-process.ts';
import { measureRequests, post } from './http-caller.ts';
import type { Figures } from './measure.ts';
import { startBench, writeConfig } from './servers.ts';
import type { Bench, Own } from './servers.ts';

const WORKLOADS = 100;
const RULES = fileURLToPath(new URL('../../config', import.meta.url));

export interface Issuances {
  readonly profile: string;
  readonly callers: number;
  readonly count: number;
  /** Used in turn; one for each request where nothing that was verified before may help. */
  readonly tokens: readonly string[];
  readonly ttlSeconds?: number;
  /** As `measure` takes it. */
  readonly perSecond?: number | undefined;
}

/** A whole broker in a process of its own on two servers of its own, and the floor in another process beside it. */
export interface World {
  readonly bench: Bench;
  readonly brokerPid: number;
  readonly brokerUrl: string;
  readonly floor: Floor;
  /** One more floor, with what a provider is asked. */
  startFloor(direct: DirectInput): Promise<Floor>;
  /** Fewer calls. */
  readonly quick: boolean;
  /** The only numbers of callers that are wanted; absent: all. */
  readonly callers?: readonly number[] | undefined;
  /** One for each of some workloads. */
  readonly tokens: readonly string[];
  freshTokens(count: number): Promise<string[]>;
  issuances(asked: Issuances): Promise<Figures>;
  /** One more broker, with a ledger of its own on the same server, and with rules of its own where it is given some. */
  startBroker(own: Omit<Own, 'ledgerUrl'>, rules?: RuleFiles): Promise<OtherBroker>;
  /** The rules of the run. */
  rules(): Promise<RuleFiles>;
  say(line: string): void;
  close(): Promise<void>;
}

export interface OtherBroker {
  readonly url: string;
  readonly ledgerUrl: string;
  issuances(asked: Issuances): Promise<Figures>;
  stop(): Promise<void>;
}

export async function makeWorld({ quick, callers }: Pick<World, 'quick' | 'callers'>): Promise<World> {
  const bench = await startBench();
  const broker = await startBrokerProcess(await writeConfig(bench, RULES));
  const operator = await bench.issuer.operatorToken('platform');
  const apply = async (url: string, rules?: RuleFiles) =>
    makeClient({ url, operatorToken: () => operator }).operator.apply(rules ?? (await readRules(RULES)));
  await apply(broker.url);
  const token = (n: number) =>
    bench.issuer.identityToken(`spiffe://dev.local/agent/${n % WORKLOADS}`, 'writ-bench', 3_000);
  const tokens = await Promise.all(Array.from({ length: WORKLOADS }, (_, n) => token(n)));
  const floorInput = {
    ledgerUrl: bench.ledgerUrl,
    bundleFile: bench.issuer.bundleFile,
    token: tokens[0] ?? '',
    rulesDirectory: RULES,
  };
  const floor = await startFloor(floorInput);
  return {
    bench,
    brokerPid: broker.pid,
    brokerUrl: broker.url,
    floor,
    startFloor: (direct) => startFloor({ ...floorInput, direct }),
    quick,
    callers,
    tokens,
    freshTokens: (count) => Promise.all(Array.from({ length: count }, (_, n) => token(n))),
    issuances: (asked) => issuances(broker.url, asked),
    rules: () => readRules(RULES),
    async startBroker(own, rules) {
      const ledgerUrl = await bench.makeLedger(own.name);
      const other = await startBrokerProcess(await writeConfig(bench, RULES, { ...own, ledgerUrl }));
      await apply(other.url, rules);
      return { url: other.url, ledgerUrl, issuances: (asked) => issuances(other.url, asked), stop: other.stop };
    },
    say: (line) => process.stdout.write(`${line}\n`),
    async close() {
      await floor.stop();
      await broker.stop();
      await bench.stop();
    },
  };
}

function issuances(url: string, asked: Issuances): Promise<Figures> {
  const { profile, callers, count, tokens, ttlSeconds, perSecond } = asked;
  const body = { profile, purpose: 'bench', ...(ttlSeconds === undefined ? {} : { ttl_seconds: ttlSeconds }) };
  const requests = tokens.map((token) => post('/v1/grants', token, body));
  let next = 0;
  return measureRequests({ url, callers, count, perSecond }, () => requests[next++ % requests.length]);
}
