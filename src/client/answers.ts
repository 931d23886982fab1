import type { AccessRequest } from './access-requests.ts';
import type { EvidencePack } from './evidence-pack.ts';
import type { Checkpoint, EventPage, LeafRange, LogProof } from './evidence.ts';
import type { Approval, ApprovalPage, AwaitedApproval, Exception, ExceptionPage } from './approvals.ts';
import type { DecisionPage, DecisionRecord, GenerationText } from './decisions.ts';
import type { EvaluationAnswer } from './evaluations.ts';
import type { Generation } from './generations.ts';
import type { ArchivedMonth, ArchiveRequest } from './archives.ts';
import type { DeadLetters, LegalHold } from './holds.ts';
import type { Grant, GrantPage, IssueAnswer, IssuedGrant } from './grants.ts';
import type { Introspection } from './oauth.ts';
import type { Order, OrderPage, OrderPreview } from './orders.ts';
import { notWrit } from './problem.ts';
import type { TaskTimeline } from './timeline.ts';
import type { CreatedTask, EndedTask, TaskPage, TaskTokenAnswer, TaskTree } from './tasks.ts';
import type { Answer } from './transport.ts';

/**
 * From JSON to types, in one place. An answer must have the members that its readers cannot do without, which tells a
 * broker from another server; beyond them its shape is taken to be CONTRACT's, so that a newer broker may say more.
 */
function reads<Shape extends object>(...members: readonly (keyof Shape & string)[]): (answer: Answer) => Shape {
  return ({ status, body }) => {
    const missing = members.filter((member) => !Object.hasOwn(body, member));
    if (missing.length > 0) throw notWrit(status, `the body has no ${missing.join(', ')}`);
    const held: object = body;
    return held as Shape;
  };
}

export const readGrant = reads<Grant>('id', 'state', 'profile', 'expires_at');
export const readIssueAnswer = reads<IssueAnswer>('id', 'state');
export const readIssued = reads<IssuedGrant>('id', 'state', 'expires_at', 'credential');
export const readGrantPage = reads<GrantPage>('grants');
export const readOrder = reads<Order>('id', 'state', 'matched', 'by_provider', 'selector');
export const readOrderPage = reads<OrderPage>('orders');
export const readPreview = reads<OrderPreview>('matched', 'by_provider');
export const readEvidencePack = reads<EvidencePack>('checkpoint', 'range', 'generations', 'events', 'samples', 'usage');
export const readHold = reads<LegalHold>('id', 'reason', 'placed_at');
export const readHolds = reads<{ readonly holds: readonly LegalHold[]; readonly next_cursor?: string }>('holds');
export const readArchives = reads<{ readonly archives: readonly ArchivedMonth[] }>('archives');
export const readArchiveRequest = reads<ArchiveRequest>('id', 'month');
export const readDeadLetters = reads<DeadLetters>('sinks', 'dead_letters');
export const readReplay = reads<{ readonly count: number }>('count');
export const readTimeline = reads<TaskTimeline>('task', 'hops', 'entries', 'decisions', 'credentials');
export const readGeneration = reads<Generation>('hash', 'difference');
export const readEventPage = reads<EventPage>('events', 'next_cursor', 'more', 'size');
export const readCheckpoint = reads<Checkpoint>('origin', 'size', 'checkpoint', 'key');
export const readProof = reads<LogProof>('kind', 'size', 'root');
export const readLeafRange = reads<LeafRange>('first', 'end');
export const readDecision = reads<DecisionRecord>('id', 'outcome', 'inputs');
export const readTaskPage = reads<TaskPage>('tasks');
export const readTask = reads<TaskTree>('id', 'state', 'purpose', 'below');
export const readCreatedTask = reads<CreatedTask>('id', 'state', 'token', 'ends_at');
export const readEndedTask = reads<EndedTask>('id', 'state', 'ended');
export const readTaskToken = reads<TaskTokenAnswer>('access_token', 'issued_token_type', 'task');
export const readDecisionPage = reads<DecisionPage>('decisions');
export const readGenerationText = reads<GenerationText>('number', 'hash', 'files');
export const readEvaluation = reads<EvaluationAnswer>('decision');
export const readEvaluations = reads<{ readonly evaluations: readonly EvaluationAnswer[] }>('evaluations');
export const readAccessRequest = reads<AccessRequest>('task');
export const readIntrospection = reads<Introspection>('active');
export const readApproval = reads<Approval>('id', 'state', 'asked', 'needs', 'expires_at');
export const readApprovalPage = reads<ApprovalPage>('approvals');
export const readAwaited = reads<AwaitedApproval>('id', 'state', 'expires_at');
export const readException = reads<Exception>('id', 'state', 'scope', 'policies');
export const readExceptionPage = reads<ExceptionPage>('exceptions');
