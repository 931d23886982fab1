import { denialStatements } from './boundary-document.ts';
import type { Denials, Session } from './denials.ts';

/** A credential that was ended before its time. */
export interface EndedSession extends Session {
  readonly endsAt: Date;
  /** Its grant lives on, so that the grant's tag denies too much. */
  readonly grantGoesOn: boolean;
  /** Others of its grant may have the same session, so that the session's name denies too much. */
  readonly shared: boolean;
  /** It was reported as ended, and must stay so. */
  readonly confirmed: boolean;
}

/** What lives of an identity, of a role, of all: grants that go on. */
export interface Living {
  readonly grants: number;
  /** The oldest of them began then: none of their sessions was issued before. */
  readonly since: Date;
}

/** What one exact name denies. */
export interface Entry {
  readonly kind: 'grants' | 'sessions';
  readonly name: string;
  readonly sessions: readonly [EndedSession, ...EndedSession[]];
  readonly issuedBefore: number;
}

/** What has to be denied. */
export function entriesOf(ended: readonly EndedSession[]): readonly Entry[] {
  const found = new Map<string, [EndedSession, ...EndedSession[]]>();
  for (const session of ended) {
    if (session.grantGoesOn && session.shared) continue; // nothing denies it alone: it ends by itself, and soon
    const key = session.grantGoesOn ? `sessions ${session.name}` : `grants ${session.grant}`;
    const there = found.get(key);
    if (there) there.push(session);
    else found.set(key, [session]);
  }
  return [...found.values()].map((sessions): Entry => {
    const [{ grantGoesOn, name, grant }] = sessions;
    const issuedBefore = sessions.reduce((last, each) => Math.max(last, each.issuedBefore.getTime()), 0);
    return { kind: grantGoesOn ? 'sessions' : 'grants', name: grantGoesOn ? name : grant, sessions, issuedBefore };
  });
}

/** Names in quotes, each with a comma. */
export function exactSize(entries: readonly Entry[]): number {
  return entries.reduce((sum, { kind, name }) => sum + name.length + (kind === 'grants' ? 3 : 5), 0);
}

/** Characters of the statements of these denials, each with the comma before it. */
export function denialsSize(denials: Denials): number {
  return denialStatements(denials).reduce((sum, statement) => sum + JSON.stringify(statement).length + 1, 0);
}
