import { deferred } from './deferred.ts';
import type { PgMessage, Side } from './pg-messages.ts';

/** Which messages: all that are given must hold. */
export interface MessageSpec {
  readonly from?: Side;
  readonly match?: (message: PgMessage) => boolean;
}

/** One message that is stopped on its way; what follows it in its direction of its connection waits behind it. */
export interface Hold {
  /** Resolves when the message has arrived at the proxy and stands still. */
  readonly reached: Promise<PgMessage>;
  /** Lets it pass, even if its sender is dead by now: a packet that was under way. */
  release(): void;
  /** Loses it, and cuts the connection. */
  drop(): void;
}

export interface Holds {
  /** Stops the `nth` (default 1) message from now on that fits. */
  add(spec: MessageSpec & { readonly nth?: number }): Hold;
  /** Whether the message is held: whether it may pass in the end. */
  check(message: PgMessage): Promise<boolean> | undefined;
}

export function fits(spec: MessageSpec, message: PgMessage): boolean {
  return (spec.from === undefined || spec.from === message.from) && (spec.match?.(message) ?? true);
}

export function makeHolds(): Holds {
  const waiting = new Set<(message: PgMessage) => Promise<boolean> | undefined>();
  return {
    add: (spec) => {
      const reached = deferred<PgMessage>();
      const decision = deferred<boolean>();
      let left = spec.nth ?? 1;
      const check = (message: PgMessage) => {
        if (!fits(spec, message) || --left > 0) return undefined;
        waiting.delete(check);
        reached.resolve(message);
        return decision.promise;
      };
      waiting.add(check);
      const decide = (pass: boolean) => {
        waiting.delete(check);
        decision.resolve(pass);
      };
      return { reached: reached.promise, release: () => decide(true), drop: () => decide(false) };
    },
    check: (message) => {
      for (const check of waiting) {
        const decision = check(message);
        if (decision) return decision;
      }
      return undefined;
    },
  };
}
