import type { Clock } from '../domain/clock.ts';
import type { Identity, Operator } from '../domain/identity.ts';
import type { Ids } from '../domain/ids.ts';
import type { Ledger } from '../ledger/index.ts';
import type { Provider } from '../providers/provider.ts';
import type { ApprovalRules } from './approval.ts';
import type { LiveRules } from './rules.ts';

/** A workload that asks, with where it asks from. */
export interface Caller {
  readonly identity: Identity;
  /** The client's address, as the listener and the trusted proxies give it. */
  readonly origin: string | null;
}

export interface OperatorCaller {
  readonly operator: Operator;
  readonly origin: string | null;
}

/** What the verbs of this room share. */
export interface ExchangeContext {
  readonly ledger: Ledger;
  readonly rules: LiveRules;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly clock: Clock;
  readonly approvals: ApprovalRules;
  readonly ids: Ids;
  /** Names this process in claims. */
  readonly owner: string;
  readonly log: Log;
}

/** Codes and ids only; never a value that came from a provider or a request. */
export interface Log {
  info(facts: Readonly<Record<string, unknown>>, message: string): void;
  warn(facts: Readonly<Record<string, unknown>>, message: string): void;
  error(facts: Readonly<Record<string, unknown>>, message: string): void;
}
