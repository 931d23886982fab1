import { makeProver } from '../audit/proofs.ts';
import { parseRulesText, summariseProfile } from '../config/index.ts';
import type { ProfileSummary } from '../config/index.ts';
import { Refusal } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { COUNT_WINDOW } from '../ledger/index.ts';
import type { EventCount, GenerationInForce, PolicyCount, Span, UsageCursor, UsageRow } from '../ledger/index.ts';
import { summarisePolicies } from '../policy/index.ts';
import type { PolicySummary } from '../policy/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import type { CheckpointView } from './evidence.ts';
import { eachPolicyFile } from './policy-files.ts';
import { recordRead } from './record-read.ts';

const MAX_GENERATIONS = 100;
const MAX_EXCEPTIONS = 1_000;
const MAX_USAGE = 1_000;
const MAX_SAMPLES = 1_000;
/** More at once would be work for the ledger that issuing needs. */
const AT_ONCE = 1;

/**
 * `events`, `policies` and `samples` come from the sealed log, up to the checkpoint, and are proven by it. `generations`, `profiles`,
 * `usage`, `exceptions` and `log` are read from tables as they stand when the pack is made; what they say is in the log too, and
 * `writ audit verify` holds the two against each other.
 */
export interface EvidencePack {
  readonly from: Date | null;
  readonly to: Date | null;
  /** What the events here are counted up to, and proven against. */
  readonly checkpoint: CheckpointView;
  /** The leaves that were looked at. */
  readonly range: { readonly first: number; readonly end: number };
  readonly generations: readonly (Omit<GenerationInForce, 'body'> & { readonly policies: readonly PolicySummary[] })[];
  /** There were more before these. */
  readonly generationsCut: boolean;
  /** Of the last of these generations. */
  readonly profiles: readonly ProfileSummary[];
  readonly events: readonly EventCount[];
  readonly policies: readonly PolicyCount[];
  readonly samples: readonly { readonly leaf: number; readonly body: string; readonly path: readonly string[] }[];
  /** There are more kinds of events and policies than samples. */
  readonly samplesCut: boolean;
  readonly usage: readonly UsageRow[];
  readonly usageCut: boolean;
  /** Newest first. */
  readonly exceptions: readonly JsonObject[];
  /** There were more before these. */
  readonly exceptionsCut: boolean;
  readonly log: JsonObject;
}

/**
 * What there is to show for a span of time, counted from what is sealed under the newest checkpoint, a window at a time. Which
 * control of which framework it speaks for is not decided here.
 */
export function makeEvidencePack({ ledger }: Pick<ExchangeContext, 'ledger'>, logHealth: () => JsonObject) {
  const { evidenceCounts: counts, evidence, sealing } = ledger;
  const prover = makeProver(async (positions) => sealing.hashes(positions));
  let running = 0;

  /**
   * Stops where it is once the caller is gone.
   * @throws Refusal `not_found` where nothing is signed yet, `too_many_requests` beside another; the reason of `gone`.
   */
  return async function pack(
    caller: OperatorCaller,
    from: Date | null,
    to: Date | null,
    gone: AbortSignal,
  ): Promise<EvidencePack> {
    if (running >= AT_ONCE) throw new Refusal('too_many_requests');
    running++;
    try {
      return await gather(caller, { from, to }, gone);
    } finally {
      running--;
    }
  };

  async function gather(caller: OperatorCaller, span: Span, gone: AbortSignal): Promise<EvidencePack> {
    const { from, to } = span;
    const query = { ...(from && { from: from.toISOString() }), ...(to && { to: to.toISOString() }) };
    await recordRead(ledger, caller, { what: 'evidence', resource: 'evidence', query, count: 1 });
    const checkpoint = await sealing.newestCheckpoint();
    if (!checkpoint) throw new Refusal('not_found');
    const within = await evidence.leavesBetween(from, to);
    const range = { first: within.first, end: Math.min(within.end, checkpoint.size) };
    const { events, policies } = await count(range, span, gone);
    const found = await counts.generations(span, MAX_GENERATIONS + 1);
    const generations = found.slice(-MAX_GENERATIONS);
    const usage = await usageOf(span, gone);
    const exceptions = await counts.exceptions(span, MAX_EXCEPTIONS + 1);
    const inForce = await eachPolicyFile(
      generations.map(({ body }) => body),
      (path, text) => {
        gone.throwIfAborted();
        return summarisePolicies(path, text);
      },
    );
    const leaves = [...new Set([...events, ...policies].flatMap(({ first, last }) => [first, last]))];
    return {
      from,
      to,
      checkpoint,
      range,
      generations: generations.map(({ body, ...generation }, n) => ({ ...generation, policies: inForce[n] ?? [] })),
      generationsCut: found.length > MAX_GENERATIONS,
      profiles: profilesIn(generations.at(-1)?.body),
      events,
      policies,
      samples: await samplesOf(leaves.slice(0, MAX_SAMPLES), checkpoint.size, gone),
      samplesCut: leaves.length > MAX_SAMPLES,
      usage: usage.slice(0, MAX_USAGE),
      usageCut: usage.length > MAX_USAGE,
      exceptions: exceptions.slice(0, MAX_EXCEPTIONS),
      exceptionsCut: exceptions.length > MAX_EXCEPTIONS,
      log: logHealth(),
    };
  }

  async function count(range: EvidencePack['range'], span: Span, gone: AbortSignal) {
    const events = new Map<string, EventCount>();
    const policies = new Map<string, PolicyCount>();
    for (let { first } = range; first < range.end; first += COUNT_WINDOW) {
      gone.throwIfAborted();
      const part = await counts.window(first, Math.min(range.end, first + COUNT_WINDOW), span);
      for (const each of part.events) add(events, [each.type, each.success, each.outcome, each.code], each);
      for (const each of part.policies) add(policies, [each.rules, each.policy, each.outcome], each);
    }
    return { events: [...events.values()], policies: [...policies.values()] };
  }

  async function usageOf(span: Span, gone: AbortSignal): Promise<UsageRow[]> {
    const found = new Map<string, UsageRow>();
    let after: UsageCursor | null = null;
    do {
      gone.throwIfAborted();
      const { rows, next }: { rows: UsageRow[]; next: UsageCursor | null } = await counts.usage(span, after);
      for (const row of rows) {
        const key = JSON.stringify([row.trust, row.subject, row.profile]);
        const before = found.get(key);
        found.set(key, before ? together(before, row) : row);
      }
      after = next;
    } while (after);
    const unused = (row: UsageRow) => row.grants - row.called;
    return [...found.values()].sort((a, b) => unused(b) - unused(a) || b.grants - a.grants);
  }

  /** The first and the last of each kind, with the way from it to the root that was signed; in their order. */
  async function samplesOf(leaves: readonly number[], size: number, gone: AbortSignal) {
    const samples: EvidencePack['samples'][number][] = [];
    for (const { leaf, body } of await counts.bodies(leaves)) {
      gone.throwIfAborted();
      const path = await prover.inclusion(leaf, size);
      samples.push({ leaf, body, path: path.map((hash) => Buffer.from(hash).toString('base64')) });
    }
    return samples;
  }
}
export type MakePack = ReturnType<typeof makeEvidencePack>;

function add<Count extends { count: number; first: number; last: number }>(
  to: Map<string, Count>,
  parts: readonly unknown[],
  each: Count,
): void {
  const key = JSON.stringify(parts);
  const before = to.get(key);
  to.set(
    key,
    before
      ? {
          ...before,
          count: before.count + each.count,
          first: Math.min(before.first, each.first),
          last: Math.max(before.last, each.last),
        }
      : each,
  );
}

function together(one: UsageRow, other: UsageRow): UsageRow {
  return {
    ...one,
    grants: one.grants + other.grants,
    called: one.called + other.called,
    renewed: one.renewed + other.renewed,
    calls: one.calls + other.calls,
    grantedSeconds: one.grantedSeconds + other.grantedSeconds,
  };
}

function profilesIn(rules: string | undefined): ProfileSummary[] {
  if (rules === undefined) return [];
  const files = Object.entries(parseRulesText(rules)).filter(([path]) => path.startsWith('profiles/'));
  return files.flatMap(([path, text]) => summariseProfile(path, text) ?? []);
}
