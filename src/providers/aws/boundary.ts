import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { ProviderRecord } from '../provider.ts';
import { ownerOf } from './boundary-document.ts';
import { makeBoundaryReader, type Observed } from './boundary-reader.ts';
import { makeBoundaryWriter } from './boundary-writer.ts';
import type { Clients } from './clients.ts';
import type { AwsConfig, BoundaryConfig } from './config.ts';
import type { Session } from './denials.ts';
import { renderAccount } from './ended-sessions.ts';
import { makeProbe } from './probe.ts';

/** How old a reading may be that an end is confirmed by: a large order asks for many ends at once. */
const FRESH_MS = 1_000;
/** What lies between two writes at least: a part of the propagation that is waited for, and no more than so much. */
const GAP_SHARE = 0.2;
const GAP_MS = 2_000;

/**
 * What denying a session has come to. `since`: in the list from then on, without having been seen not to count later; and seen
 * to count by a probe, where one looks. `unseen`: written, and IAM's reads do not show it yet.
 */
export type Denial =
  | { readonly kind: 'since'; readonly since: Date; readonly probed: 'denied' | 'not_yet' | undefined }
  | { readonly kind: 'unseen' }
  | { readonly kind: 'no_room' };

/** The deny list of one account. */
export interface Boundary {
  readonly config: BoundaryConfig;
  /** Has a session denied that the ledger has as ended. @throws ProviderError. */
  deny(session: Session, signal: AbortSignal): Promise<Denial>;
  /** Looks after the list: what ended elsewhere, what others wrote, what is too much. @throws ProviderError. */
  keep(signal: AbortSignal): Promise<void>;
  /** How many ended sessions it has no room for; how many grants it denies beside them, at most; why nobody probes. */
  trouble(): { readonly left: number; readonly collateral: number; readonly probe: string | undefined };
  close(): void;
}

export interface BoundaryParts {
  readonly clients: Clients;
  readonly clock: Clock;
  readonly record: ProviderRecord;
  readonly issuer: string;
  readonly provider: string;
  readonly warn: (facts: JsonObject) => void;
}

export function makeBoundary(
  { clients, clock, record, issuer, provider, warn }: BoundaryParts,
  account: string,
  config: BoundaryConfig,
  { region, revocation }: Pick<AwsConfig, 'region' | 'revocation'>,
): Boundary {
  const { propagation = 0, fence = false } = revocation ?? {};
  const { boundary_arn: arn } = config;
  const iam = clients.iam(config);
  const reader = makeBoundaryReader(iam, arn, clock);
  const probe = config.probe_role_arn === undefined ? undefined : makeProbe(clients, region, config.probe_role_arn);
  const writer = makeBoundaryWriter({
    iam,
    arn,
    owner: ownerOf(issuer, provider),
    reader,
    clock,
    ...(probe && { probe }),
    gapMs: Math.min(GAP_MS, propagation * 1000 * GAP_SHARE),
    render: (now, room) => renderAccount({ record, account, fence }, now, room),
    warn: (code, facts) => warn({ code, boundary: arn, ...facts }),
  });

  let reading: { readonly at: number; readonly observed: Promise<Observed> } | undefined;
  const read = (): Promise<Observed> => {
    if (reading && performance.now() - reading.at < FRESH_MS) return reading.observed;
    const made = { at: performance.now(), observed: reader.read(AbortSignal.timeout(READ_MS)) };
    made.observed.catch(() => {
      if (reading === made) reading = undefined;
    });
    reading = made;
    return made.observed;
  };

  /**
   * Who was denied by one of them is denied by all that follow. A probe that gets through says nothing of what was there before its
   * version, and nobody looks after it any more when the next has come: then the wait counts, from the last look that got through.
   */
  const sinceOf = (first: Observed, rest: readonly Observed[]): Denial => {
    const denied = [first, ...rest].some(({ version, again }) => !again && writer.tried(version)?.outcome === 'denied');
    if (denied) return { kind: 'since', since: first.seenAt, probed: 'denied' };
    const { outcome, through } = writer.tried(first.version) ?? {};
    const since = through && through > first.seenAt ? through : first.seenAt;
    return { kind: 'since', since, probed: outcome === 'not_yet' && rest.length === 0 ? outcome : undefined };
  };

  return {
    config,
    async deny(session, signal) {
      let observed = await unlessGone(signal, read());
      if (!observed.denies(session)) observed = await unlessGone(signal, writer.write());
      const [first, ...rest] = observed.denies(session) ? reader.denying(session) : [];
      if (first) return sinceOf(first, rest);
      const leftOver = writer.last().left.some(({ name, grant }) => name === session.name && grant === session.grant);
      return { kind: leftOver ? 'no_room' : 'unseen' };
    },
    async keep(signal) {
      await unlessGone(signal, writer.keep());
    },
    trouble() {
      const { left, collateral } = writer.last();
      return { left: left.length, collateral, probe: probe?.problem() };
    },
    close: () => writer.close(),
  };
}

/** For whoever waits for it: at most three attempts of a call. */
const READ_MS = 11_000;

/** What is shared goes on when one of those who wait for it goes away. @throws ProviderError. */
export function unlessGone<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new ProviderError('provider_timeout', { nothingLives: false }));
    if (signal.aborted) gone();
    else signal.addEventListener('abort', gone, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', gone));
  });
}
