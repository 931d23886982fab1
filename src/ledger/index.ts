import { connect } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';
import { makeArchives } from './archives.ts';
import { makeApprovals } from './approvals.ts';
import { makeExceptions } from './exceptions.ts';
import { makeNotices } from './notices.ts';
import { makeCalls } from './calls.ts';
import { startDatabaseClock } from './clock.ts';
import { makeEvidence } from './evidence.ts';
import { makeEvidenceCounts } from './evidence-counts.ts';
import { makeGenerations } from './generations.ts';
import { makeGrants } from './grants.ts';
import { makeHolds } from './holds.ts';
import { makeIssuing } from './issuing.ts';
import { makeOrders } from './orders.ts';
import { makeProviderRecord } from './provider-record.ts';
import { SCHEMA_RANGE } from './migrate.ts';
import { makeReaping } from './reaping.ts';
import { schemaFit } from './schema.ts';
import { makeSealing } from './sealing.ts';
import { makeSigningKeys } from './signing-keys.ts';
import { makeSinks } from './sinks.ts';
import { makeTasks } from './tasks.ts';
import { makeTimelineReads } from './timeline.ts';
import { listen } from './listen.ts';

export { COUNT_WINDOW } from './evidence-counts.ts';
export type { EventCount, GenerationInForce, PolicyCount, Span, UsageCursor, UsageRow } from './evidence-counts.ts';
export type { EventFilter, EventPage, SealedEvent } from './evidence.ts';
export type { ArchiveRow } from './archives.ts';
export type { HoldRow } from './holds.ts';
export { openSinks } from './sinks.ts';
export type { DeadLetter, Replayable, SinkEvent, Sinks, SinkState } from './sinks.ts';
export { APPROVAL_STATES } from './approvals.ts';
export type { ApprovalFilter, ApprovalRow, ApprovalState, CallApproval } from './approvals.ts';
export { EXCEPTION_STATES, exceptionState } from './exceptions.ts';
export type { ExceptionAbout, ExceptionFilter, ExceptionRow, ExceptionScope, ExceptionState } from './exceptions.ts';
export { OUTCOMES } from './calls.ts';
export type { CallFacts, CallGrant, CallRecord, CallTask, DecisionView, OutcomeStatus, RecordedCall } from './calls.ts';
export type { ApprovalRequest, DecisionRecord, Involved, MintIntent } from './issuing.ts';
export { principalRecord } from './issuing.ts';
export type { Notice, NoticeState } from './notices.ts';
export type { Claim, CleanupClaim } from './reaping.ts';
export type { GrantFilter, GrantView, RepeatedRequest } from './grants.ts';
export type { GenerationView } from './generations.ts';
export type { OrderFilter, OrderProgress, OrderRow } from './orders.ts';
export type { SchemaFit } from './schema.ts';
export type { CredentialRow, DecidedRow, HopRow, OrderOfTimeline, TimelineEvent } from './timeline.ts';
export { toTask } from './tasks.ts';
export type { TaskFilter } from './task-list.ts';
export type { EndedTask, OpenTask, TaskBelow, TaskRow } from './tasks.ts';

/** The record in Postgres. Each transition is one call that commits the change together with its event. */
export type Ledger = ReturnType<typeof makeLedger>;

export function makeLedger(options: ConnectionOptions) {
  const connection = connect(options);
  return {
    issuing: makeIssuing(connection),
    reaping: makeReaping(connection),
    orders: makeOrders(connection),
    tasks: makeTasks(connection),
    approvals: makeApprovals(connection),
    notices: makeNotices(connection),
    exceptions: makeExceptions(connection),
    calls: makeCalls(connection),
    generations: makeGenerations(connection),
    grants: makeGrants(connection),
    signingKeys: makeSigningKeys(connection),
    providerRecord: makeProviderRecord(connection),
    sealing: makeSealing(connection),
    evidence: makeEvidence(connection),
    evidenceCounts: makeEvidenceCounts(connection),
    timeline: makeTimelineReads(connection),
    sinks: makeSinks(connection),
    holds: makeHolds(connection),
    archives: makeArchives(connection),
    startClock: (localNow: () => number) => startDatabaseClock(connection, localNow),
    listen: (onNotice: (what?: string) => void) => listen(options.url, onNotice),
    /** Which server and database this is; undefined where the login may not ask. */
    async place(): Promise<{ systemIdentifier: string; database: string } | undefined> {
      const sql =
        'select system_identifier::text as "systemIdentifier", current_database() as database from pg_control_system()';
      const rows = await connection
        .call<{ systemIdentifier: string; database: string }>('place', sql, [])
        .catch(() => []);
      return rows[0];
    },
    /** How its schema stands to this version, which may be other than it was at the start. @throws Fault `ledger_unavailable`. */
    schema: () => schemaFit((name, sql) => connection.call(name, sql, []), SCHEMA_RANGE),
    close: () => connection.close(),
  };
}
