import { makeProver } from '../audit/proofs.ts';
import type { ArchiveId } from '../domain/ids.ts';
import type { ArchiveRow } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { actorOf } from './orders.ts';

export interface ArchiveRequest {
  readonly month: string;
  readonly reason: string;
  /** Also what a sink was not given yet. */
  readonly forced: boolean;
}

/** Leaves that were put away, and the roots of the largest perfect subtrees above them, from left to right. */
export interface ArchivedRangeView {
  readonly first: number;
  readonly end: number;
  readonly hashes: readonly string[];
}

export type ArchiveView = Omit<ArchiveRow, 'ranges'> & { readonly ranges: readonly ArchivedRangeView[] };

/** Months that were put away, by people. */
export function makeArchiveVerbs({ ledger, ids }: Pick<ExchangeContext, 'ledger' | 'ids'>) {
  const prover = makeProver(async (positions) => ledger.sealing.hashes(positions));
  return {
    /** That it was asked for is on record; the answer is what the database's owner needs to do it. */
    async request(caller: OperatorCaller, asked: ArchiveRequest): Promise<ArchiveRequest & { id: ArchiveId }> {
      const id = ids.archive();
      await ledger.archives.request({ id, ...asked, actor: actorOf(caller), origin: caller.origin });
      return { id, ...asked };
    },

    /** What of these leaves was put away. Their hashes are kept, and stand in for them in a proof. */
    async list(first: number, end: number): Promise<ArchiveView[]> {
      const views: ArchiveView[] = [];
      for (const archive of await ledger.archives.list()) {
        const ranges: ArchivedRangeView[] = [];
        for (const range of archive.ranges) {
          const cut = { first: Math.max(first, range.first), end: Math.min(end, range.end) };
          if (cut.first >= cut.end) continue;
          const hashes = await prover.span(cut);
          ranges.push({ ...cut, hashes: hashes.map((hash) => Buffer.from(hash).toString('base64')) });
        }
        if (ranges.length > 0) views.push({ ...archive, ranges });
      }
      return views;
    },
  };
}
export type ArchiveVerbs = ReturnType<typeof makeArchiveVerbs>;
