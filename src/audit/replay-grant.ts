import type { Json, JsonObject } from '../domain/json.ts';

/** An event of a grant: its type and the parsed body. */
export interface GrantEvent {
  readonly type: string;
  readonly body: JsonObject;
  readonly facts: JsonObject;
}

export interface ReplayedMint {
  kind: string;
  state: 'intent' | 'live' | 'ending' | 'ended';
  outcome: string | null;
  attempts: number;
  handle: Json;
}

/** What a grant's events, and nothing else, say of it. */
export interface ReplayedGrant {
  state: string;
  why: string | null;
  order: string | null;
  reason: string | null;
  expires_at: string;
  decision: string | null;
  readonly mints: Map<string, ReplayedMint>;
  /** Events that cannot follow those before them. */
  readonly problems: string[];
}

/** Replays a grant's events in their order; undefined where none of them opened it. */
export function replayGrant(events: readonly GrantEvent[]): ReplayedGrant | undefined {
  let grant: ReplayedGrant | undefined;
  for (const event of events) {
    if (event.type === 'grant.opened') {
      if (grant) grant.problems.push('was opened twice');
      else grant = opened(event);
    } else if (grant) {
      const step = STEPS[event.type];
      if (step) step(grant, event);
      else grant.problems.push(`an event of an unknown type, ${event.type}`);
    } else if (!BEFORE.has(event.type)) {
      return undefined;
    }
  }
  return grant;
}

/** Of the same transaction as `grant.opened`, and before it. */
const BEFORE = new Set(['decision.made', 'task.created']);

function opened({ body, facts }: GrantEvent): ReplayedGrant {
  return {
    state: 'issuing',
    why: null,
    order: null,
    reason: null,
    expires_at: text(facts['expires_at']),
    decision: textOrNull(body['decision']),
    mints: new Map([[text(facts['mint']), intent('first')]]),
    problems: [],
  };
}

type Step = (grant: ReplayedGrant, event: GrantEvent) => void;

const STEPS: Readonly<Record<string, Step>> = {
  'decision.made': () => undefined,
  'grant.activated': (grant, { facts }) => {
    go(grant, ['issuing'], 'active');
    activate(grant, facts);
  },
  'grant.ending': (grant, { facts }) => {
    go(grant, ['issuing', 'active'], 'ending');
    grant.why = textOrNull(facts['why']);
    grant.order = textOrNull(facts['order']);
    grant.reason = textOrNull(facts['reason']);
    for (const mint of grant.mints.values()) if (mint.state !== 'ended') mint.state = 'ending';
  },
  'grant.stuck': (grant) => go(grant, ['ending'], 'stuck'),
  'grant.expired': (grant) => close(grant, ['ending', 'stuck'], 'expired'),
  'grant.revoked': (grant) => close(grant, ['ending', 'stuck'], 'revoked'),
  'grant.failed': (grant, { facts }) => {
    if (grant.state === 'issuing') {
      grant.why = textOrNull(facts['why']);
      for (const mint of grant.mints.values()) Object.assign(mint, { state: 'ended', outcome: 'absent' });
    }
    close(grant, ['issuing', 'ending', 'stuck'], 'failed');
  },
  'mint.opened': (grant, { facts }) => {
    stay(grant, ['active']);
    grant.mints.set(text(facts['mint']), intent(text(facts['kind'])));
  },
  'mint.activated': (grant, { facts }) => {
    stay(grant, ['active']);
    activate(grant, facts);
    grant.expires_at = text(facts['expires_at']);
  },
  'mint.ending': (grant, { facts }) => {
    const mints = Array.isArray(facts['mints']) ? facts['mints'] : [facts['mint']];
    for (const id of mints) step(grant, text(id), ['intent', 'live'], 'ending');
  },
  'mint.end_failed': (grant, { facts }) => {
    const mint = step(grant, text(facts['mint']), ['ending'], 'ending');
    if (mint) mint.attempts = Number(facts['attempts']);
  },
  'mint.ended': (grant, { facts }) => {
    const mint = step(grant, text(facts['mint']), ['intent', 'ending'], 'ended');
    if (mint) mint.outcome = textOrNull(facts['outcome']);
  },
};

function intent(kind: string): ReplayedMint {
  return { kind, state: 'intent', outcome: null, attempts: 0, handle: null };
}

function activate(grant: ReplayedGrant, facts: JsonObject): void {
  const mint = step(grant, text(facts['mint']), ['intent'], 'live');
  if (mint) mint.handle = facts['handle'] ?? null;
}

function go(grant: ReplayedGrant, from: readonly string[], to: string): void {
  stay(grant, from);
  grant.state = to;
}

function stay(grant: ReplayedGrant, where: readonly string[]): void {
  if (!where.includes(grant.state)) grant.problems.push(`was ${grant.state} where it had to be ${where.join(' or ')}`);
}

function close(grant: ReplayedGrant, from: readonly string[], to: string): void {
  go(grant, from, to);
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
  if (!mint) grant.problems.push(`an event of a mint that was never opened, ${id}`);
  else if (!from.includes(mint.state)) grant.problems.push(`mint ${id} went from ${mint.state} to ${to}`);
  if (mint) mint.state = to;
  return mint;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
