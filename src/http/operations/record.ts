import { ArchiveBody, ArchivesQuery } from '../archives.ts';
import { EventsQuery, ProofQuery, RangeQuery } from '../audit.ts';
import { DecisionsQuery } from '../decisions.ts';
import { HoldBody, HoldsQuery, LiftHoldBody } from '../holds.ts';
import { DeadLettersQuery, ReplayBody } from '../sinks.ts';
import { TimelineQuery } from '../timeline.ts';
import { READERS } from './operation.ts';
import type { Operation } from './operation.ts';

export const RECORD: readonly Operation[] = [
  {
    method: 'get',
    path: '/v1/decisions',
    summary: 'What was decided in a period, oldest first, with all that the policies saw',
    roles: ['auditor', 'platform'],
    query: DecisionsQuery,
    answers: { 200: 'A page of decisions' },
  },
  {
    method: 'get',
    path: '/v1/events',
    summary: 'Sealed events, in their order, from a cursor on',
    roles: ['auditor', 'security', 'platform'],
    query: EventsQuery,
    answers: { 200: 'A page of events' },
  },
  {
    method: 'get',
    path: '/v1/decisions/{id}',
    summary: 'A decision, with everything that the policies saw',
    roles: ['auditor', 'security', 'platform'],
    answers: { 200: 'The decision' },
  },
  {
    method: 'get',
    path: '/v1/tasks/{id}/timeline',
    summary: 'A task and all below it, rebuilt from the record',
    roles: ['auditor', 'security', 'platform'],
    query: TimelineQuery,
    answers: { 200: 'A page of the timeline' },
  },
  {
    method: 'get',
    path: '/v1/audit/evidence',
    summary: 'What there is to show for a span of time, with proofs',
    roles: ['auditor', 'security', 'platform'],
    query: RangeQuery,
    answers: { 200: 'Counts, samples, configuration and use' },
  },
  {
    method: 'get',
    path: '/v1/audit/holds',
    summary: 'Legal holds, newest first',
    roles: ['auditor', 'security', 'platform'],
    query: HoldsQuery,
    answers: { 200: 'A page of holds' },
  },
  {
    method: 'post',
    path: '/v1/audit/holds',
    summary: 'Place a legal hold: no month that it covers is archived',
    roles: ['security'],
    body: HoldBody,
    answers: { 201: 'The hold' },
  },
  {
    method: 'post',
    path: '/v1/audit/holds/{id}/lift',
    summary: 'Lift a legal hold',
    roles: ['security'],
    body: LiftHoldBody,
    answers: { 200: 'The hold' },
  },
  {
    method: 'get',
    path: '/v1/audit/archives',
    summary: 'Months that were put away, with the hashes that stand for their events',
    roles: ['auditor', 'security', 'platform'],
    query: ArchivesQuery,
    answers: { 200: 'The months' },
  },
  {
    method: 'post',
    path: '/v1/audit/archives',
    summary: 'Ask that a month be put away; the database’s owner then does it, within the hour',
    roles: ['security'],
    body: ArchiveBody,
    answers: { 201: 'The request' },
  },
  {
    method: 'get',
    path: '/v1/audit/dead-letters',
    summary: 'What sinks did not take, and how far each sink is',
    roles: ['auditor', 'security', 'platform'],
    query: DeadLettersQuery,
    answers: { 200: 'A page of dead letters' },
  },
  {
    method: 'post',
    path: '/v1/audit/dead-letters/replay',
    summary: 'Have dead letters tried again',
    roles: ['security', 'platform'],
    body: ReplayBody,
    answers: { 202: 'How many' },
  },
  {
    method: 'get',
    path: '/v1/audit/checkpoint',
    summary: 'The newest signed checkpoint of the log, and the key that has signed it',
    roles: READERS,
    answers: { 200: 'The checkpoint' },
  },
  {
    method: 'get',
    path: '/v1/audit/proof',
    summary: 'Proofs of inclusion, of consistency, and of a range (RFC 6962)',
    roles: READERS,
    query: ProofQuery,
    answers: { 200: 'The proof' },
  },
  {
    method: 'get',
    path: '/v1/audit/range',
    summary: 'The leaves that hold the events of a span of time',
    roles: READERS,
    query: RangeQuery,
    answers: { 200: 'The first leaf, and the one behind the last' },
  },
];
