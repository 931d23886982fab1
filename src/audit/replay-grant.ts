import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { textOrNull } from './event.ts';
import type { Event } from './event.ts';
import type { Expected } from './row.ts';

export interface ReplayedMint {
  kind: string;
  state: 'intent' | 'live' | 'ending' | 'ended';
  outcome: string | null;
  attempts: number;
  readonly opened_at: string;
  /** When its credential ends; events of older versions do not say it. */
  readonly ends_at: Json | undefined;
  /** Of a mint that was live. */
  handle: Json;
  activated_at: string | null;
  ended_at: string | null;
}

/** What a grant's events, and nothing else, say of it: columns by their names. */
export interface ReplayedGrant {
  state: string;
  readonly columns: Record<string, Json>;
  readonly near: Record<'opened_at' | 'issued_at' | 'ending_at' | 'closed_at', string | null>;
  readonly mints: Map<string, ReplayedMint>;
  /** Events that cannot follow those before them. */
  readonly problems: string[];
}

/** Events of a grant that change nothing of it. */
const WITHOUT_EFFECT = new Set([
  'decision.made',
  'task.created',
  'approval.requested',
  'approval.answered',
  'approval.consumed',
  'approval.lapsed',
  'approval.told',
  'approval.untold',
  'call.decided',
  'call.reported',
  'exception.used',
  'use.after_revocation',
]);

/** A grant as it begins; undefined for an event that begins none. */
export function beginGrant(event: Event): ReplayedGrant | undefined {
  if (event.type !== 'grant.opened' && event.type !== 'grant.requested') return undefined;
  const grant: ReplayedGrant = {
    state: 'pending_approval',
    columns: { why: null, order_id: null, reason: null },
    near: { opened_at: event.at, issued_at: null, ending_at: null, closed_at: null },
    mints: new Map(),
    problems: [],
  };
  describe(grant, event);
  if (event.type === 'grant.opened') intend(grant, event);
  return grant;
}

/** The next event of a grant, in the order of their numbers. */
export function advanceGrant(grant: ReplayedGrant, event: Event): void {
  const step = STEPS[event.type];
  if (step) step(grant, event);
  else if (event.type === 'grant.requested') grant.problems.push('was asked for twice');
  else if (!WITHOUT_EFFECT.has(event.type)) grant.problems.push(`has an event of an unknown type, ${event.type}`);
}

/** Replays a grant's events in the order of their numbers; undefined where none of them opened it. */
export function replayGrant(events: readonly Event[]): ReplayedGrant | undefined {
  let grant: ReplayedGrant | undefined;
  for (const event of events) {
    if (grant) advanceGrant(grant, event);
    else grant = beginGrant(event);
  }
  return grant;
}

export function isOver({ state }: ReplayedGrant): boolean {
  return OVER.has(state);
}
const OVER = new Set(['expired', 'revoked', 'failed', 'refused', 'lapsed']);

export function expectedGrant(grant: ReplayedGrant): Expected {
  return { columns: { ...grant.columns, state: grant.state, task_path_fits: true }, near: grant.near };
}

export function expectedMint(mint: ReplayedMint, { columns: { provider = null } }: ReplayedGrant): Expected {
  const { kind, state, outcome, attempts, opened_at, ends_at, handle, activated_at, ended_at } = mint;
  const columns: Record<string, Json> = { kind, state, outcome, attempts, provider };
  if (ends_at !== undefined) columns['ends_at'] = ends_at;
  // of a mint that was never live a handle may have been found again, which is no event
  if (activated_at !== null) columns['handle'] = handle;
  return { columns, near: { opened_at, activated_at, ended_at } };
}

type Step = (grant: ReplayedGrant, event: Event) => void;

const STEPS: Readonly<Record<string, Step>> = {
  'grant.opened': (grant, event) => {
    if (grant.mints.size > 0) grant.problems.push('was opened twice');
    describe(grant, event);
    grant.near.opened_at = event.at;
    intend(grant, event);
  },
  'grant.activated': (grant, event) => {
    go(grant, ['issuing'], 'active');
    grant.near.issued_at = event.at;
    activate(grant, event);
  },
  'grant.ending': (grant, { at, facts }) => {
    go(grant, ['issuing', 'active'], 'ending');
    grant.near.ending_at = at;
    note(grant, facts, 'why', 'order', 'reason');
    for (const mint of grant.mints.values()) if (mint.state !== 'ended') mint.state = 'ending';
  },
  'grant.stuck': (grant) => go(grant, ['ending'], 'stuck'),
  'grant.expired': (grant, event) => close(grant, event, ['ending', 'stuck'], 'expired'),
  'grant.revoked': (grant, event) => close(grant, event, ['ending', 'stuck'], 'revoked'),
  'grant.failed': (grant, event) => {
    if (grant.state === 'issuing') {
      note(grant, event.facts, 'why');
      for (const mint of grant.mints.values())
        Object.assign(mint, { state: 'ended', outcome: 'absent', ended_at: event.at });
    }
    close(grant, event, ['issuing', 'ending', 'stuck'], 'failed');
  },
  'grant.refused': (grant, event) => {
    note(grant, event.facts, 'order', 'reason');
    close(grant, event, ['pending_approval'], 'refused');
  },
  'grant.lapsed': (grant, event) => close(grant, event, ['pending_approval'], 'lapsed'),
  'mint.opened': (grant, event) => {
    stay(grant, ['active']);
    grant.mints.set(text(event.facts['mint']), intent(text(event.facts['kind']), event));
  },
  'mint.activated': (grant, event) => {
    stay(grant, ['active']);
    activate(grant, event);
    grant.columns['expires_at'] = event.facts['expires_at'] ?? null;
  },
  'mint.ending': (grant, { facts }) => {
    const mints = Array.isArray(facts['mints']) ? facts['mints'] : [facts['mint']];
    for (const id of mints) step(grant, text(id), ['intent', 'live'], 'ending');
  },
  'mint.end_failed': (grant, { facts }) => {
    const mint = step(grant, text(facts['mint']), ['ending'], 'ending');
    if (mint) mint.attempts = Number(facts['attempts']);
  },
  'mint.ended': (grant, { at, facts }) => {
    const mint = step(grant, text(facts['mint']), ['intent', 'ending'], 'ended');
    if (mint) Object.assign(mint, { outcome: textOrNull(facts['outcome']), ended_at: at });
  },
};

/** Who, what for and under which decision: all that the event says of it. */
function describe(grant: ReplayedGrant, { body, facts, task }: Event): void {
  const workload = isJsonObject(body['workload']) ? body['workload'] : {};
  Object.assign(grant.columns, {
    task_id: task,
    decision_id: body['decision'] ?? null,
    trust: workload['trust'] ?? null,
    subject: workload['id'] ?? null,
    on_behalf_of: body['principal'] ?? null,
    profile: body['resource'] ?? null,
  });
  for (const name of [
    'provider',
    'owner',
    'environment',
    'effect',
    'parameters',
    'ttl_seconds',
    'ttl_decided_by',
    'expires_at',
    'revocability',
  ]) {
    const fact = facts[name];
    if (fact !== undefined) grant.columns[name] = fact;
  }
}

function intend(grant: ReplayedGrant, event: Event): void {
  go(grant, ['pending_approval'], 'issuing');
  grant.mints.set(text(event.facts['mint']), intent('first', event));
}

function intent(kind: string, { at, facts }: Event): ReplayedMint {
  return {
    kind,
    state: 'intent',
    outcome: null,
    attempts: 0,
    opened_at: at,
    ends_at: facts['mint_ends_at'],
    handle: null,
    activated_at: null,
    ended_at: null,
  };
}

function activate(grant: ReplayedGrant, { at, facts }: Event): void {
  const mint = step(grant, text(facts['mint']), ['intent'], 'live');
  if (mint) Object.assign(mint, { handle: facts['handle'] ?? null, activated_at: at });
}

function note(grant: ReplayedGrant, facts: JsonObject, ...names: ('why' | 'order' | 'reason')[]): void {
  for (const name of names) grant.columns[name === 'order' ? 'order_id' : name] = textOrNull(facts[name]);
}

function go(grant: ReplayedGrant, from: readonly string[], to: string): void {
  stay(grant, from);
  grant.state = to;
}

function stay(grant: ReplayedGrant, where: readonly string[]): void {
  if (!where.includes(grant.state)) grant.problems.push(`was ${grant.state} where it had to be ${where.join(' or ')}`);
}

function close(grant: ReplayedGrant, { at }: Event, from: readonly string[], to: string): void {
  go(grant, from, to);
  grant.near.closed_at = at;
  for (const [id, mint] of grant.mints) {
    if (mint.state !== 'ended') grant.problems.push(`was closed while mint ${id} was ${mint.state}`);
  }
}

function step(
  grant: ReplayedGrant,
  id: string,
  from: readonly ReplayedMint['state'][],
  to: ReplayedMint['state'],
): ReplayedMint | undefined {
  const mint = grant.mints.get(id);
  if (!mint) grant.problems.push(`has an event of a mint that was never opened, ${id}`);
  else if (!from.includes(mint.state)) grant.problems.push(`has a mint, ${id}, that went from ${mint.state} to ${to}`);
  if (mint) mint.state = to;
  return mint;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
