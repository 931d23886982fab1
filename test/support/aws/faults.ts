import { AwsError } from './errors.ts';
import type { DoorFaults } from './types.ts';

export interface Faults {
  readonly public: DoorFaults;
  /** The error that a call of this action answers, if it is one's turn. */
  failing(action: string): AwsError | undefined;
  /** For how long an answer is held back. */
  delaying(action: string): number;
  /** Told of each message before it is passed on; true: cut it. */
  cuts(): boolean;
  /** Whether a cut has happened, so that nothing passes any more. */
  isCut(): boolean;
}

interface Rule<T> {
  readonly action: string;
  readonly what: T;
  left: number;
}

const SLOW_DOWN = { status: 400, code: 'Throttling', message: 'Rate exceeded' };

export function makeFaults(): Faults {
  let errors: Rule<AwsError>[] = [];
  let delays: Rule<number>[] = [];
  let messages = 0;
  let cut: { at: number; happened: boolean } | undefined;

  const takes = <T>(rules: readonly Rule<T>[], action: string): T | undefined => {
    const rule = rules.find((one) => one.left > 0 && (one.action === '*' || one.action === action));
    if (rule) rule.left -= 1;
    return rule?.what;
  };
  const fail: DoorFaults['fail'] = (action, { status, code, message }, times = Number.POSITIVE_INFINITY) => {
    errors.push({ action, what: new AwsError(status, code, message ?? `${code} was asked for`), left: times });
  };
  const faults: DoorFaults = {
    throttle: (action, times) => fail(action, SLOW_DOWN, times),
    fail,
    delay: (action, ms, times = Number.POSITIVE_INFINITY) => {
      delays.push({ action, what: ms, left: times });
    },
    lie: undefined,
    date: undefined,
    cut: (message) => {
      const made = { at: messages + message, happened: false };
      cut = made;
      return { happened: () => made.happened };
    },
    silent: false,
    clear: () => {
      errors = [];
      delays = [];
      cut = undefined;
      faults.lie = undefined;
      faults.date = undefined;
      faults.silent = false;
    },
  };
  return {
    public: faults,
    failing: (action) => takes(errors, action),
    delaying: (action) => takes(delays, action) ?? 0,
    cuts: () => {
      const number = messages++;
      if (!cut || number < cut.at) return false;
      cut.happened = true;
      return true;
    },
    isCut: () => cut?.happened === true,
  };
}
