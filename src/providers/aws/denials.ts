/**
 * What a boundary denies, as data. Each means goes by something that every request of a session shows; the last three deny
 * only what was issued before an instant, so that whoever comes later is not touched.
 */
export interface Denials {
  /** Grants that have ended, by the tag of all their sessions. */
  readonly grants: readonly string[];
  /** Single sessions of grants that go on, by name. */
  readonly sessions: readonly string[];
  /** Everything of these identities. */
  readonly identities: readonly Before[];
  /** Everything of ours of these roles. */
  readonly roles: readonly Before[];
  /** Everything of ours. */
  readonly fence: Date | undefined;
}

/** `before` is of AWS's clock, to the second. */
export interface Before {
  readonly names: readonly string[];
  readonly before: Date;
}

export const NOTHING_DENIED: Denials = { grants: [], sessions: [], identities: [], roles: [], fence: undefined };

/** How far AWS's clock and the ledger's may be apart, with the whole second that AWS rounds to; milliseconds. */
export const CLOCKS_MS = 5_000;

/** What a denial can go by. */
export interface Session {
  readonly grant: string;
  readonly name: string;
  readonly identity: string | undefined;
  readonly role: string;
  /** The answer was there by then, in the ledger's time. */
  readonly issuedBefore: Date;
}

/** Whether a session is certainly denied, however far the clocks are apart. */
export type Deny = (session: Session) => boolean;

export function denying(denials: Denials): Deny {
  const grants = new Set(denials.grants);
  const sessions = new Set(denials.sessions);
  const identities = latest(denials.identities);
  const roles = latest(denials.roles);
  return ({ grant, name, identity, role, issuedBefore }) => {
    const issued = issuedBefore.getTime() + CLOCKS_MS;
    const before = (instant: Date | undefined) => instant !== undefined && issued <= instant.getTime();
    return (
      grants.has(grant) ||
      sessions.has(name) ||
      (identity !== undefined && before(identities.get(identity))) ||
      before(roles.get(role)) ||
      before(denials.fence)
    );
  };
}

function latest(items: readonly Before[]): ReadonlyMap<string, Date> {
  const found = new Map<string, Date>();
  for (const { names, before } of items) {
    for (const name of names) {
      const there = found.get(name);
      if (!there || there < before) found.set(name, before);
    }
  }
  return found;
}
