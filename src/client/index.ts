/** The typed client: the package's public API. Types keep the wire's names (CONTRACT), so that they can be searched for. */
export type { AccessOffer, AccessRequest, AccessTask } from './access-requests.ts';
export type { AccessVerbs } from './access-verbs.ts';
export type {
  Approval,
  ApprovalAnswer,
  ApprovalFilter,
  ApprovalPage,
  ApprovalState,
  AwaitedApproval,
  Exception,
  ExceptionFilter,
  ExceptionPage,
  ExceptionRequest,
  ExceptionScope,
  ExceptionState,
} from './approvals.ts';
export type { ApprovingVerbs } from './approving.ts';
export { makeClient, type Client, type ClientOptions, type Readiness } from './client.ts';
export { credentialSource, type TokenSource } from './credential-source.ts';
export type { DecisionPage, DecisionPeriod, DecisionRecord, GenerationText } from './decisions.ts';
export { CLIENT_CODES, WritError, type ClientCode, type RequestFault } from './error.ts';
export type {
  Checkpoint,
  EventFilter,
  EventPage,
  LeafRange,
  LogProof,
  ProofQuestion,
  SealedEvent,
} from './evidence.ts';
export type {
  EvidenceCount,
  EvidenceGeneration,
  EvidencePack,
  EvidencePolicy,
  EvidencePolicyCount,
  EvidenceProfile,
  EvidenceSample,
  EvidenceUsage,
} from './evidence-pack.ts';
export type { Evaluation, EvaluationAnswer, Evaluations, OutcomeReport } from './evaluations.ts';
export type { Generation, RuleFiles, RulesDifference } from './generations.ts';
export type {
  AwsCredential,
  Credential,
  CredentialType,
  Grant,
  GrantDecision,
  GrantFilter,
  GrantPage,
  GrantRequest,
  GrantRevocability,
  GrantTtl,
  IssueAnswer,
  IssuedGrant,
  JwtCredential,
  PendingGrant,
  PostgresLogin,
  VaultSecret,
  VaultToken,
} from './grants.ts';
export type { ArchivedMonth, ArchivedRange, ArchiveRequest } from './archives.ts';
export type { DeadLetter, DeadLetters, LegalHold, SinkState } from './holds.ts';
export type { Introspection } from './oauth.ts';
export type { EventOptions, OperatorVerbs } from './operator.ts';
export type { ListOptions, PageOptions } from './pages.ts';
export type {
  LiftAnswer,
  Order,
  OrderFilter,
  OrderHead,
  OrderPage,
  OrderPreview,
  OrderProgress,
  OrderRequest,
  OrderSelector,
  OrderState,
} from './orders.ts';
export type { RecordVerbs } from './record.ts';
export { ORDER_STATES } from './orders.ts';
export type { TaskTimeline, TimelineCredential, TimelineDecision, TimelineEntry, TimelineHop } from './timeline.ts';
export type { TaskVerbs } from './task-verbs.ts';
export type {
  CreatedTask,
  EndedTask,
  Task,
  TaskBounds,
  TaskFilter,
  TaskPage,
  TaskRequest,
  TaskTokenAnswer,
  TaskTree,
  TaskWish,
} from './tasks.ts';
export type { Fetch } from './transport.ts';
export type { CallOptions, EvaluateOptions, IssueOptions, RenewOptions, WorkloadVerbs } from './workload.ts';
