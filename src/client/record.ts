import {
  readArchiveRequest,
  readArchives,
  readDeadLetters,
  readEvidencePack,
  readHold,
  readHolds,
  readReplay,
  readTimeline,
} from './answers.ts';
import type { ArchivedMonth, ArchiveRequest } from './archives.ts';
import type { EvidencePack } from './evidence-pack.ts';
import type { DeadLetters, LegalHold } from './holds.ts';
import { eachOf, type From } from './pages.ts';
import type { TaskTimeline } from './timeline.ts';
import type { Transport } from './transport.ts';
import type { CallOptions } from './workload.ts';

/** What operators ask of the record, and do about it. Each verb throws `WritError`. */
export interface RecordVerbs {
  /** A task and all below it, rebuilt from the record: every page of it. */
  timeline(task: string, options?: CallOptions): Promise<TaskTimeline>;
  /** What there is to show for a span of time; RFC 3339. A large log takes a while: see `timeoutMs`. */
  evidence(span?: { readonly from?: string; readonly to?: string }, options?: CallOptions): Promise<EvidencePack>;
  /** All of them, newest first. */
  holds(options?: CallOptions): Promise<readonly LegalHold[]>;
  placeHold(
    request: { readonly reason: string; readonly from?: string; readonly to?: string },
    options?: CallOptions,
  ): Promise<LegalHold>;
  liftHold(id: string, reason: string, options?: CallOptions): Promise<LegalHold>;
  /** Months that were put away, as far as they hold these leaves. */
  archives(
    leaves?: { readonly first: number; readonly end: number },
    options?: CallOptions,
  ): Promise<readonly ArchivedMonth[]>;
  /** Asks that a month be put away. The database's owner then does it, within the hour, by the request's id. */
  requestArchive(
    request: { readonly month: string; readonly reason: string; readonly force?: boolean },
    options?: CallOptions,
  ): Promise<ArchiveRequest>;
  /** One page; `cursor` is the page before's `next_cursor`. */
  deadLetters(
    filter?: { readonly sink?: string; readonly cursor?: string },
    options?: CallOptions,
  ): Promise<DeadLetters>;
  /** Has dead letters tried again: of one task, or all of a sink. */
  replayDeadLetters(
    request: { readonly sink: string; readonly task?: string; readonly reason: string },
    options?: CallOptions,
  ): Promise<{ readonly count: number }>;
}

export function makeRecordVerbs(transport: Transport): RecordVerbs {
  const as = 'operator';
  const holds = '/v1/audit/holds';
  const archives = '/v1/audit/archives';
  const letters = '/v1/audit/dead-letters';
  return {
    async timeline(task, { signal } = {}) {
      const path = `/v1/tasks/${encodeURIComponent(task)}/timeline`;
      const page = async (cursor?: string) =>
        readTimeline(await transport({ as, method: 'GET', path, query: { cursor, limit: '5000' }, signal }));
      const { next_cursor: next, ...first } = await page();
      const pages: TaskTimeline[] = [first];
      for (let cursor = next; cursor !== undefined; cursor = pages.at(-1)?.next_cursor) pages.push(await page(cursor));
      const decisions = new Map(pages.flatMap((each) => each.decisions).map((each) => [each.id, each]));
      const orders = new Map(pages.flatMap((each) => each.orders).map((each) => [each['id'], each]));
      const entries = pages.flatMap((each) => each.entries);
      return { ...first, entries, decisions: [...decisions.values()], orders: [...orders.values()] };
    },
    async evidence({ from, to } = {}, { signal } = {}) {
      const query = { from, to };
      return readEvidencePack(await transport({ as, method: 'GET', path: '/v1/audit/evidence', query, signal }));
    },
    async holds({ signal } = {}) {
      const page = async ({ cursor }: From) =>
        readHolds(await transport({ as, method: 'GET', path: holds, query: { cursor, limit: '500' }, signal }));
      const found: LegalHold[] = [];
      for await (const hold of eachOf(page, ({ holds: some }) => some)) found.push(hold);
      return found;
    },
    async placeHold(json, { signal } = {}) {
      return readHold(await transport({ as, method: 'POST', path: holds, json, signal }));
    },
    async liftHold(id, reason, { signal } = {}) {
      const path = `${holds}/${encodeURIComponent(id)}/lift`;
      return readHold(await transport({ as, method: 'POST', path, json: { reason }, signal }));
    },
    async archives(leaves, { signal } = {}) {
      const query = leaves && { first: String(leaves.first), end: String(leaves.end) };
      return readArchives(await transport({ as, method: 'GET', path: archives, ...(query && { query }), signal }))
        .archives;
    },
    async requestArchive(json, { signal } = {}) {
      return readArchiveRequest(await transport({ as, method: 'POST', path: archives, json, signal }));
    },
    async deadLetters(query = {}, { signal } = {}) {
      return readDeadLetters(await transport({ as, method: 'GET', path: letters, query, signal }));
    },
    async replayDeadLetters(json, { signal } = {}) {
      return readReplay(await transport({ as, method: 'POST', path: `${letters}/replay`, json, signal }));
    },
  };
}
