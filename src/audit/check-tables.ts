import { askedHash } from './asked.ts';
import { readEvent } from './event.ts';
import type { Event, EventRow } from './event.ts';
import type { Findings } from './findings.ts';
import { expectedApproval, makeApprovals } from './replay-approval.ts';
import { advanceGrant, beginGrant, expectedGrant, expectedMint, isOver, replayGrant } from './replay-grant.ts';
import type { ReplayedGrant } from './replay-grant.ts';
import { differences, hashOf } from './row.ts';
import type { Row } from './row.ts';
import { statementOf, STEPS_OF_ROWS, TABLES } from './rows.ts';
import type { Statement, TableName } from './rows.ts';

/** The tables as they are, at the moment that the events are read of. */
export interface TableRows {
  /** Rows by id, columns by name. Of approvals also `answers`. */
  rows(table: TableName | 'grants' | 'approvals', ids: readonly string[]): Promise<ReadonlyMap<string, Row>>;
  /** The mints of grants, by grant. */
  mints(grants: readonly string[]): Promise<ReadonlyMap<string, readonly (Row & { readonly id: string })[]>>;
  count(table: TableName | 'grants' | 'approvals', taken?: string): Promise<number>;
  /** Rows that no event has made, or of which no event has taken that step: some of them. */
  withoutEvent(table: TableName | 'grants' | 'approvals', step?: string): Promise<readonly string[]>;
  /** All events of a grant, in the order of their numbers. */
  eventsOfGrant(grant: string): Promise<readonly EventRow[]>;
  /** The hash of a decision's inputs, by the database's own canonical text. */
  inputsHash(decision: string): Promise<string | undefined>;
}

/** So much is gathered before rows are read. */
const BATCH = 1_000;
/** Of grants that are looked at one by one, because their events did not come in order, or do not fit. */
const MAX_DOUBTFUL = 10_000;

/**
 * Holds the tables against the events. Events come in sealed order, which is not always the order in which things happened to a
 * grant: what does not fit is looked at once more by the grant's own numbers before it is told.
 */
export function makeTableCheck(source: TableRows, findings: Findings) {
  const live = new Map<string, ReplayedGrant>();
  const approvals = makeApprovals();
  const doubtful = new Set<string>();
  const counts = new Map<string, number>();
  const over: [string, ReplayedGrant][] = [];
  let statements: Statement[] = [];
  let settling: Promise<void> = Promise.resolve();

  const count = (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1);

  function takeOfGrant(id: string, event: Event): void {
    const grant = live.get(id);
    if (grant) {
      advanceGrant(grant, event);
      if (!isOver(grant)) return;
      live.delete(id);
      over.push([id, grant]);
      return;
    }
    const begun = beginGrant(event);
    if (begun) {
      live.set(id, begun);
      count('grants');
    } else if (event.type.startsWith('grant.') || event.type.startsWith('mint.')) doubtful.add(id);
  }

  async function compareStatements(): Promise<void> {
    const taken = statements;
    statements = [];
    const compareOf = async (table: TableName) => {
      const own = taken.filter((statement) => statement.table === table);
      if (own.length === 0) return;
      const rows = await source.rows(table, [...new Set(own.map(({ id }) => id))]);
      for (const statement of own) {
        const doubt = compare(statement, rows.get(statement.id));
        if (doubt) await doubt;
      }
    };
    await Promise.all(TABLES.map(compareOf));
  }

  /** Answers a promise where the database has to be asked once more. */
  function compare({ table, id, expected }: Statement, row: Row | undefined): Promise<void> | undefined {
    const about = `${NAMES[table]} ${id}`;
    if (!row) {
      findings.add('event_without_row', about, 'there is an event of it and no row');
      return undefined;
    }
    const is: Row =
      table === 'decisions' ? Object.assign({}, row, { inputs_hash: hashOf(row['inputs'] ?? null) }) : row;
    const found = differences(is, expected);
    if (table === 'decisions' && found.some((line) => line.startsWith('inputs_hash '))) {
      return source.inputsHash(id).then((hash) => {
        tell(about, differences({ ...row, inputs_hash: hash ?? null }, expected));
      });
    }
    tell(about, found);
    return undefined;
  }

  function tell(about: string, lines: readonly string[]): void {
    for (const line of lines) findings.add('row_differs', about, line);
  }

  async function compareGrants(grants: readonly (readonly [string, ReplayedGrant])[]): Promise<void> {
    if (grants.length === 0) return;
    const ids = grants.map(([id]) => id);
    const [rows, mints] = await Promise.all([source.rows('grants', ids), source.mints(ids)]);
    for (const [id, grant] of grants) {
      if (grant.problems.length > 0 || grantDifferences(rows.get(id), mints.get(id) ?? [], grant).length > 0)
        doubtful.add(id);
    }
  }

  async function lookAgain(id: string): Promise<void> {
    const about = `grant ${id}`;
    const events = (await source.eventsOfGrant(id))
      .map(({ body }) => readEvent(body))
      .filter((event) => event !== undefined);
    const row = (await source.rows('grants', [id])).get(id);
    const mints = (await source.mints([id])).get(id) ?? [];
    const grant = replayGrant(events);
    if (!grant) findings.add('history_impossible', about, 'its events do not open it');
    for (const problem of grant?.problems ?? []) findings.add('history_impossible', about, problem);
    if (!row) findings.add('event_without_row', about, 'there are events of it and no row');
    else if (grant) for (const line of grantDifferences(row, mints, grant)) findings.add('row_differs', about, line);
  }

  async function compareApprovals(): Promise<void> {
    const all = [...approvals.all()];
    for (let at = 0; at < all.length; at += BATCH) {
      const part = all.slice(at, at + BATCH);
      const rows = await source.rows(
        'approvals',
        part.map(([id]) => id),
      );
      for (const [id, approval] of part) {
        const row = rows.get(id);
        if (!row) findings.add('event_without_row', `approval ${id}`, 'there are events of it and no row');
        else {
          const found = [
            ...differences(row, expectedApproval(approval)),
            ...differences(row, { columns: { answers: approval.answers }, near: {} }),
            ...differences({ asked: askedHash(row) }, { columns: { asked: row['asked_hash'] ?? null }, near: {} }),
          ];
          for (const line of found) findings.add('row_differs', `approval ${id}`, line);
        }
      }
    }
    counts.set('approvals', all.length);
  }

  /** Every row has the event that made it, and every step that a row keeps its own. */
  async function compareCounts(): Promise<void> {
    for (const table of [...TABLES, 'grants', 'approvals'] as const) {
      if ((await source.count(table)) <= (counts.get(table) ?? 0)) continue;
      for (const id of await source.withoutEvent(table)) {
        findings.add('row_without_event', `${NAMES[table]} ${id}`, 'there is a row and no event that made it');
      }
    }
    for (const [type, { table, taken }] of Object.entries(STEPS_OF_ROWS)) {
      if ((await source.count(table, taken)) <= (counts.get(type) ?? 0)) continue;
      for (const id of await source.withoutEvent(table, type)) {
        findings.add('row_without_event', `${NAMES[table]} ${id}`, `its row says what no event ${type} does`);
      }
    }
  }

  return {
    take(event: Event): void {
      approvals.take(event);
      const statement = statementOf(event);
      if (statement) {
        statements.push(statement);
        count(statement.made ? statement.table : event.type);
      }
      if (event.grant !== null) takeOfGrant(event.grant, event);
    },

    /** Compares what has been gathered, once that is enough: while the next events are read, and not waited for until then. */
    async settle(): Promise<void> {
      await settling;
      if (statements.length + over.length < BATCH) return;
      const work = Promise.all([compareStatements(), compareGrants(over.splice(0))]).then(() => undefined);
      work.catch(() => undefined); // told by whoever waits for it
      settling = work;
    },

    /** All events have been taken. */
    async finish(): Promise<void> {
      await settling;
      await compareStatements();
      await compareGrants(over.splice(0));
      const rest = [...live];
      for (let at = 0; at < rest.length; at += BATCH) await compareGrants(rest.slice(at, at + BATCH));
      for (const id of [...doubtful].slice(0, MAX_DOUBTFUL)) await lookAgain(id);
      if (doubtful.size > MAX_DOUBTFUL) {
        const more = doubtful.size - MAX_DOUBTFUL;
        findings.add(
          'history_impossible',
          'grants',
          `${more} more have events that do not fit, and were not looked at one by one`,
        );
      }
      await compareApprovals();
      await compareCounts();
    },
  };
}
export type TableCheck = ReturnType<typeof makeTableCheck>;

const NAMES: Readonly<Record<TableName | 'grants' | 'approvals', string>> = {
  decisions: 'decision',
  call_outcomes: 'outcome of decision',
  tasks: 'task',
  orders: 'order',
  exceptions: 'exception',
  generations: 'generation',
  signing_keys: 'key',
  grants: 'grant',
  approvals: 'approval',
};

function grantDifferences(
  row: Row | undefined,
  mints: readonly (Row & { readonly id: string })[],
  grant: ReplayedGrant,
): string[] {
  if (!row) return ['there is no row'];
  const found = differences(row, expectedGrant(grant));
  const left = new Map(mints.map((mint) => [mint.id, mint]));
  for (const [id, mint] of grant.mints) {
    const is = left.get(id);
    left.delete(id);
    if (is) found.push(...differences(is, expectedMint(mint)).map((line) => `mint ${id}: ${line}`));
    else found.push(`mint ${id} has events and no row`);
  }
  for (const id of left.keys()) found.push(`mint ${id} has a row and no event`);
  return found;
}
