/** What a timeline shows of one step, whether Writ recorded it or another system did. */
export interface Step {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** The task that it belongs to. */
  readonly task: string | undefined;
  readonly kind: StepKind;
  readonly failed: boolean;
  /** One line: what happened. */
  readonly title: string;
  /** Who did it. */
  readonly who: string;
  /** Name and value, each a line. */
  readonly details: readonly (readonly [name: string, value: string])[];
  /** The text of policies, as it was written. */
  readonly policies: readonly { readonly id: string; readonly text: string | null }[];
  /** Its place in the sealed log; null: not sealed yet; undefined: not of Writ's record. */
  readonly leaf: number | null | undefined;
}

export const STEP_KINDS = [
  'task',
  'decision',
  'approval',
  'credential',
  'call',
  'end',
  'other',
  'cloudtrail',
  'vault',
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** In the order of time; what happened at the same moment stays in the order given. */
export function inTime(steps: readonly Step[]): Step[] {
  const timed = steps.map((step, n) => ({ step, n, ms: Date.parse(step.at) }));
  return timed.sort((a, b) => a.ms - b.ms || a.n - b.n).map(({ step }) => step);
}
