import type { Attester, TrustEntry } from '../../src/attesters/attester.ts';
import { attesterKinds, makeAttest, makeAttesters, type Attest } from '../../src/attesters/index.ts';
import { makeKeySources } from '../../src/attesters/keys/sources.ts';
import { makeOperators, operatorTrustSchema, type Operators } from '../../src/attesters/operators.ts';
import { Fault, Refusal } from '../../src/domain/errors.ts';
import { makeOutbound } from '../../src/outbound/client.ts';

export const AUDIENCE = 'https://writ.test';
export const OPERATORS_AUDIENCE = 'writ-operators';

/** A trust entry as `writ.yaml` has it, durations already seconds. */
export interface EntryText {
  readonly name?: string;
  readonly kind: string;
  readonly vouchesFor?: number;
  readonly maxAge?: number;
  readonly config: unknown;
}

export interface Harness {
  /** The broker's time: move it. */
  now: Date;
  readonly files: Map<string, string>;
  readonly attesters: readonly Attester[];
  readonly attest: Attest;
  readonly operators: Operators;
  /** The code of the refusal or fault, or the id of whom it named. */
  outcome(token: string): Promise<string>;
  operatorOutcome(token: string): Promise<string>;
  advance(seconds: number): void;
}

/** What the composition root builds for identity, over the real outbound client; only 127.0.0.1 is allowed by name. */
export function makeHarness(entries: readonly EntryText[], operators: readonly unknown[] = []): Harness {
  const files = new Map<string, string>();
  const readFile = async (path: string) => {
    const text = files.get(path);
    if (text === undefined) throw new Error(`${path} is not there`);
    return text;
  };
  const outbound = makeOutbound({ allow: ['127.0.0.1'] });
  const keys = makeKeySources({ outbound, readFile });
  const clock = { now: () => harness.now, offsetMs: () => 0 };
  const attesters = makeAttesters(entries.map(parseEntry), { audience: AUDIENCE, clock, outbound, readFile, keys });
  const attest = makeAttest(attesters);
  const harness: Harness = {
    now: new Date('2026-11-23T12:00:00Z'),
    files,
    attesters,
    attest,
    operators: makeOperators(
      operators.map((entry) => operatorTrustSchema.parse(entry)),
      { clock, keys },
    ),
    outcome: (token) => codeOf(attest({ kind: 'bearer', token }, harness.now).then(({ id }) => id)),
    operatorOutcome: (token) =>
      codeOf(harness.operators.authenticate(token, harness.now).then(({ subject }) => subject)),
    advance(seconds) {
      harness.now = new Date(harness.now.getTime() + seconds * 1_000);
    },
  };
  return harness;
}

function parseEntry({ name = 'entry', kind, config, ...times }: EntryText): TrustEntry {
  const found = attesterKinds.find((one) => one.kind === kind);
  if (!found) throw new Error(`no kind ${kind}`);
  return { name, kind, attests: ['workloads'], ...times, config: found.config.parse(config) };
}

/** The messages of a configuration that is refused; none when it is accepted. */
export function problemsOf(kind: string, config: unknown): string[] {
  const found = attesterKinds.find((one) => one.kind === kind);
  const result = found?.config.safeParse(config);
  return result?.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];
}

export async function codeOf(promise: Promise<string>): Promise<string> {
  return promise.catch((error: unknown) => {
    if (error instanceof Refusal || error instanceof Fault) return error.code;
    throw error;
  });
}
