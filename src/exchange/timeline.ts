import { Refusal } from '../domain/errors.ts';
import type { TaskId } from '../domain/ids.ts';
import { isJsonObject } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import { policyTexts } from '../policy/index.ts';
import type { CredentialRow, DecidedRow, HopRow, OrderOfTimeline } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { eachPolicyFile } from './policy-files.ts';
import { recordRead } from './record-read.ts';

/** More tasks below one are not followed; more events are on the next page. */
const MAX_HOPS = 1_000;
const MAX_CREDENTIALS = 5_000;

export interface TimelineEntry {
  /** Null: committed, and not sealed yet. */
  readonly leaf: number | null;
  readonly event: JsonObject;
}

export interface DecidedView extends Omit<DecidedRow, 'policies'> {
  /** What decided, as it was written; null where the text of those rules does not have it. */
  readonly policies: readonly { readonly id: string; readonly text: string | null }[];
}

/** `hops`, `credentials`, `archived` and `cut` are told with the first page alone. */
export interface TimelineView {
  readonly task: TaskId;
  readonly hops: readonly HopRow[];
  readonly entries: readonly TimelineEntry[];
  readonly decisions: readonly DecidedView[];
  readonly credentials: readonly CredentialRow[];
  readonly orders: readonly OrderOfTimeline[];
  /** Months that it reaches into and that were put away: what happened then is in their archives, and not here. */
  readonly archived: readonly string[];
  /** The number to go on behind, where there is more. */
  readonly next: string | undefined;
  /** There are more tasks, or more credentials, than are shown. */
  readonly cut: boolean;
}

/** A task rebuilt from the record: every hop, and for each decision the text of the policies that made it. */
export function makeTimeline({ ledger }: Pick<ExchangeContext, 'ledger'>) {
  const reads = ledger.timeline;

  /** @throws Refusal `not_found`. */
  return async function timeline(
    caller: OperatorCaller,
    task: TaskId,
    after: string,
    limit: number,
  ): Promise<TimelineView> {
    const hops = await reads.hops(task, MAX_HOPS + 1);
    const shown = hops.slice(0, MAX_HOPS);
    const ids = shown.map(({ id }) => id);
    const isFirst = BigInt(after) === 0n;
    const rows = await reads.events(ids, after, limit + 1);
    const page = rows.slice(0, limit);
    await recordRead(ledger, caller, { what: 'timeline', resource: task, query: { after, limit }, count: page.length });
    if (hops.length === 0) throw new Refusal('not_found');

    const entries = page.map(({ leaf, body }) => ({ leaf, event: JSON.parse(body) as JsonObject }));
    const credentials = isFirst ? await reads.credentials(ids, MAX_CREDENTIALS + 1) : [];
    return {
      task,
      hops: isFirst ? shown : [],
      entries,
      decisions: await decided(entries),
      credentials: credentials.slice(0, MAX_CREDENTIALS),
      orders: await reads.orders(factsOf(entries, 'order')),
      archived: isFirst ? await archivedSince(shown) : [],
      next: rows.length > limit ? page.at(-1)?.seq : undefined,
      cut: isFirst && (hops.length > MAX_HOPS || credentials.length > MAX_CREDENTIALS),
    };
  };

  async function archivedSince(shownHops: readonly HopRow[]): Promise<string[]> {
    const first = Math.min(...shownHops.map(({ createdAt }) => createdAt.getTime()));
    const since = new Date(first).toISOString().slice(0, 'yyyy-mm'.length);
    return (await ledger.archives.list()).flatMap(({ month }) => (month >= since ? [month] : []));
  }

  async function decided(entries: readonly TimelineEntry[]): Promise<DecidedView[]> {
    const ids = entries.flatMap(({ event }) => (typeof event['decision'] === 'string' ? [event['decision']] : []));
    const rows = await reads.decisions([...new Set(ids)]);
    const texts = await reads.ruleTexts([...new Set(rows.map(({ rulesHash }) => rulesHash))]);
    const policies = await policiesOf(texts.map(({ body }) => body));
    const byHash = new Map(texts.map(({ hash }, n) => [hash, policies[n]]));
    return rows.map(({ policies, ...row }) => ({
      ...row,
      policies: policies.map((id) => ({ id, text: byHash.get(row.rulesHash)?.get(id) ?? null })),
    }));
  }
}
export type Timeline = ReturnType<typeof makeTimeline>;

/** Every policy of each generation by its id, from the texts that the ledger keeps. */
async function policiesOf(rules: readonly string[]): Promise<ReadonlyMap<string, string>[]> {
  const read = await eachPolicyFile(rules, (_path, text) => [...policyTexts(text)]);
  return read.map((policies) => new Map(policies));
}

function factsOf(entries: readonly TimelineEntry[], name: string): string[] {
  const values = entries.map(({ event }) => (isJsonObject(event['facts']) ? event['facts'][name] : undefined));
  return [...new Set(values.filter((value) => typeof value === 'string'))];
}
