import { makeProver } from '../audit/proofs.ts';
import { Refusal } from '../domain/errors.ts';
import type { DecisionId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { DecisionView, EventFilter, EventPage } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { recordRead } from './record-read.ts';

/** What is asked to be proven of the log. */
export type ProofQuestion =
  | { readonly kind: 'inclusion'; readonly leaf: number }
  | { readonly kind: 'inclusion'; readonly seq: string }
  | { readonly kind: 'consistency'; readonly oldSize: number }
  | { readonly kind: 'range'; readonly first: number; readonly end: number };

export interface CheckpointView {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  /** The key that has signed it. */
  readonly key: string;
}

/**
 * Reads of the record by people. What shows events or decisions is on record itself, one event for each request, before the answer
 * leaves; checkpoints and proofs show hashes, and are not.
 */
export function makeEvidenceReads({ ledger }: Pick<ExchangeContext, 'ledger'>) {
  const { evidence, sealing } = ledger;
  const prover = makeProver(async (positions) => sealing.hashes(positions));

  async function checkpoint(): Promise<CheckpointView> {
    const newest = await sealing.newestCheckpoint();
    if (!newest) throw new Refusal('not_found');
    return newest;
  }

  /** The size that is asked about: the newest checkpoint's, where none is named. @throws Refusal. */
  async function sizeFor(asked: number | undefined): Promise<{ size: number; signed?: CheckpointView }> {
    if (asked === undefined) {
      const signed = await checkpoint();
      return { size: signed.size, signed };
    }
    const { size } = await sealing.head();
    if (asked > size) throw outOfRange('size', `the log has ${size} events`);
    const signed = await sealing.newestCheckpoint();
    return { size: asked, ...(signed?.size === asked ? { signed } : {}) };
  }

  return {
    checkpoint,

    /** @throws Refusal `invalid_request`, `not_found`. */
    async proof(question: ProofQuestion, asked: number | undefined): Promise<JsonObject> {
      const { size, signed } = await sizeFor(asked);
      const common = { size, root: base64(await prover.root(size)), ...(signed ? { checkpoint: signed.note } : {}) };
      switch (question.kind) {
        case 'inclusion': {
          const leaf = 'leaf' in question ? question.leaf : await evidence.leafOf(question.seq);
          if (leaf === undefined) throw new Refusal('not_found');
          if (leaf >= size) throw outOfRange('leaf', `is not among the first ${size} events`);
          const path = await prover.inclusion(leaf, size);
          const leafHash = base64(await prover.leaf(leaf));
          return { kind: 'inclusion', leaf, leaf_hash: leafHash, path: path.map(base64), ...common };
        }
        case 'consistency': {
          const old = question.oldSize;
          if (old > size) throw outOfRange('old_size', `must not be above ${size}`);
          const path = await prover.consistency(old, size);
          const oldRoot = base64(await prover.root(old));
          return { kind: 'consistency', old_size: old, old_root: oldRoot, path: path.map(base64), ...common };
        }
        case 'range': {
          const { first, end } = question;
          if (first > end || end > size) throw outOfRange('end', `must be from ${first} to ${size}`);
          const { left, right } = await prover.range({ first, end }, size);
          return { kind: 'range', first, end, left: left.map(base64), right: right.map(base64), ...common };
        }
      }
    },

    async events(caller: OperatorCaller, from: number, limit: number, filter: EventFilter): Promise<EventPage> {
      const page = await evidence.events(from, limit, filter);
      const query = Object.fromEntries(
        Object.entries({ ...filter, from, limit }).filter(([, value]) => value !== undefined),
      );
      const resource = filter.grant ?? filter.task ?? 'events';
      const read = { what: 'events', resource, query: query as JsonObject, count: page.events.length };
      await recordRead(ledger, caller, read);
      return page;
    },

    /** @throws Refusal `not_found`. */
    async decision(caller: OperatorCaller, id: DecisionId): Promise<DecisionView> {
      const found = await ledger.calls.findDecision(id);
      await recordRead(ledger, caller, { what: 'decision', resource: id, query: {}, count: found ? 1 : 0 });
      if (!found) throw new Refusal('not_found');
      return found;
    },

    /** Of a period, oldest first, from behind one; `next`: there are more, behind this one. */
    async decisions(caller: OperatorCaller, from: Date, to: Date, limit: number, after?: DecisionId) {
      const rows = await ledger.calls.listDecisions(from, to, limit + 1, after);
      const found = rows.slice(0, limit);
      const query = { from: from.toISOString(), to: to.toISOString(), limit, ...(after && { after }) };
      await recordRead(ledger, caller, { what: 'decisions', resource: 'decisions', query, count: found.length });
      return { decisions: found, next: rows.length > limit ? found.at(-1)?.id : undefined };
    },

    /** The leaves of a span of time: what to export for it. */
    range: (from: Date | null, to: Date | null) => evidence.leavesBetween(from, to),
  };
}
export type EvidenceReads = ReturnType<typeof makeEvidenceReads>;

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

function outOfRange(path: string, problem: string): Refusal {
  return new Refusal('invalid_request', { errors: [{ path, problem }] });
}
