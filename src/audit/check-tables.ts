import type { Unseen } from './archived.ts';
import { compareApprovals } from './compare-approvals.ts';
import { instantOf, readEvent, textOrNull } from './event.ts';
import type { Event, EventRow } from './event.ts';
import type { Findings } from './findings.ts';
import { makeMadeCounts, NAMES } from './made-counts.ts';
import type { AnyTable } from './made-counts.ts';
import { makeApprovals } from './replay-approval.ts';
import { makeBudgets } from './replay-budgets.ts';
import type { UsedBudget } from './replay-budgets.ts';
import { advanceGrant, beginGrant, expectedGrant, expectedMint, isOver, replayGrant } from './replay-grant.ts';
import type { ReplayedGrant } from './replay-grant.ts';
import { differences, hashOf, thumbprintOf } from './row.ts';
import type { Row } from './row.ts';
import { statementOf } from './rows.ts';
import { TABLES } from './statement.ts';
import type { Statement, TableName } from './statement.ts';

/** A step that a row keeps: its event's type, what the row says of it, and the column of its time. */
export interface StepOfRows {
  readonly type: string;
  readonly taken: string;
  readonly at: string;
}

/** The tables as they are, at the moment that the events are read of. */
export interface TableRows {
  /** Rows by id, columns by name. Of approvals also `answers` and `notices`. */
  rows(table: AnyTable, ids: readonly string[]): Promise<ReadonlyMap<string, Row>>;
  /** The mints of grants, by grant. */
  mints(grants: readonly string[]): Promise<ReadonlyMap<string, readonly (Row & { readonly id: string })[]>>;
  /**
   * How many rows there are, made or taken outside of these times; of a step, only those that have taken it. A step that is said to have
   * been taken before its row was made lies outside of all times.
   */
  count(table: AnyTable, outside: string, step?: StepOfRows): Promise<number>;
  /** Of these, rows that no event has made, or of which no event has taken that step: some of them. */
  withoutEvent(
    table: AnyTable,
    outside: string,
    step?: StepOfRows,
    /** Ids whose event is elsewhere. */
    known?: readonly string[],
  ): Promise<readonly string[]>;
  /** All events of grants, by grant, in the order of their numbers. */
  eventsOfGrants(grants: readonly string[]): Promise<ReadonlyMap<string, readonly EventRow[]>>;
  /** The hash of a decision's inputs, by the database's own canonical text. */
  inputsHash(decision: string): Promise<string | undefined>;
}

/** What is held against events and stands in no column: it follows from others. */
const DERIVED: Readonly<Partial<Record<TableName, (row: Row) => Row>>> = {
  decisions: (row) => ({ inputs_hash: hashOf(row['inputs'] ?? null) }),
  signing_keys: (row) => ({ thumbprint: thumbprintOf(row['public_jwk'] ?? null) }),
};

/** So much is gathered before rows are read. */
const BATCH = 1_000;
/** Of grants that are looked at one by one, because their events did not come in order, or do not fit. */
const MAX_DOUBTFUL = 10_000;

/**
 * Holds the tables against the events. Events come in sealed order, which is not always the order in which things happened to a
 * grant: what does not fit is looked at once more by the grant's own numbers before it is told.
 */
export function makeTableCheck(source: TableRows, unseen: Unseen, findings: Findings) {
  const live = new Map<string, ReplayedGrant>();
  const approvals = makeApprovals();
  const budgets = makeBudgets();
  const counts = makeMadeCounts(source, unseen, findings);
  const doubtful = new Set<string>();
  /** Grants whose beginning cannot be seen. */
  let partly = 0;
  let newest = '';
  const over: [string, ReplayedGrant][] = [];
  const statements: Statement[] = [];
  let settling: Promise<void> = Promise.resolve();

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
      counts.count('grants', event.at);
    } else if (event.type.startsWith('grant.') || event.type.startsWith('mint.')) doubtful.add(id);
  }

  async function compareStatements(taken: readonly Statement[]): Promise<void> {
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
    const derive = DERIVED[table];
    const is: Row = derive ? Object.assign({}, row, derive(row)) : row;
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

  async function lookAgain(ids: readonly string[]): Promise<void> {
    const [events, rows, mints] = await Promise.all([
      source.eventsOfGrants(ids),
      source.rows('grants', ids),
      source.mints(ids),
    ]);
    for (const id of ids) {
      const about = `grant ${id}`;
      const own = (events.get(id) ?? []).map(({ body }) => readEvent(body)).filter((event) => event !== undefined);
      const row = rows.get(id);
      const grant = replayGrant(own);
      if (!grant && unseen.zoneOf(instantOf(textOrNull(row?.['opened_at']) ?? '')) !== 'out') {
        partly++;
        continue;
      }
      if (!grant) findings.add('history_impossible', about, 'its events do not open it');
      for (const problem of grant?.problems ?? []) findings.add('history_impossible', about, problem);
      if (!row) findings.add('event_without_row', about, 'there are events of it and no row');
      else if (grant) {
        for (const line of grantDifferences(row, mints.get(id) ?? [], grant)) findings.add('row_differs', about, line);
      }
    }
  }

  function stateBudgets(used: readonly UsedBudget[]): void {
    for (const { task, grants, calls } of used) {
      const columns = { grants_used: grants, calls_used: calls };
      statements.push({ table: 'tasks', id: task, expected: { columns, near: {} }, made: false });
    }
  }

  return {
    take(event: Event): void {
      approvals.take(event);
      budgets.take(event);
      if (event.type === 'approval.requested') counts.count('approvals', event.at);
      const statement = statementOf(event);
      if (statement) {
        statements.push(statement);
        counts.count(statement.made ? statement.table : event.type, event.at);
      }
      newest = event.at;
      if (event.grant !== null) takeOfGrant(event.grant, event);
    },

    /** Compares what has been gathered, once that is enough: while the next events are read, and not waited for until then. */
    async settle(): Promise<void> {
      await settling;
      if (newest !== '') stateBudgets(budgets.settled(newest));
      if (statements.length + over.length < BATCH) return;
      const work = Promise.all([compareStatements(statements.splice(0)), compareGrants(over.splice(0))]).then(
        () => undefined,
      );
      work.catch(() => undefined); // told by whoever waits for it
      settling = work;
    },

    /** All events have been taken. Answers how many rows rest on events that cannot be seen. */
    async finish(): Promise<number> {
      await settling;
      stateBudgets(budgets.settled());
      while (statements.length > 0) await compareStatements(statements.splice(0, BATCH));
      await compareGrants(over.splice(0));
      const rest = [...live];
      for (let at = 0; at < rest.length; at += BATCH) await compareGrants(rest.slice(at, at + BATCH));
      const again = [...doubtful].slice(0, MAX_DOUBTFUL);
      for (let at = 0; at < again.length; at += BATCH) await lookAgain(again.slice(at, at + BATCH));
      if (doubtful.size > MAX_DOUBTFUL) {
        const more = doubtful.size - MAX_DOUBTFUL;
        findings.add(
          'history_impossible',
          'grants',
          `${more} more have events that do not fit, and were not looked at one by one`,
        );
      }
      await compareApprovals(source, approvals.all(), findings);
      await counts.compare();
      return partly + (await counts.resting());
    },
  };
}
export type TableCheck = ReturnType<typeof makeTableCheck>;

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
    if (is) found.push(...differences(is, expectedMint(mint, grant)).map((line) => `mint ${id}: ${line}`));
    else found.push(`mint ${id} has events and no row`);
  }
  for (const id of left.keys()) found.push(`mint ${id} has a row and no event`);
  return found;
}
