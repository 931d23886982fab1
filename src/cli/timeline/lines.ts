import type { TaskTimeline } from '../../client/index.ts';
import { table } from '../table.ts';
import type { Step } from './step.ts';

/** A timeline for a terminal. */
export function timelineLines(timeline: TaskTimeline, steps: readonly Step[], isVerbose: boolean): string[] {
  const numbers = new Map(timeline.hops.map(({ id }, n) => [id, n + 1]));
  const hops = timeline.hops.map((hop, n) => [
    `${n + 1}`,
    '  '.repeat(hop.depth) + hop.id,
    hop.workload.id,
    hop.on_behalf_of ?? '-',
    hop.environments.join(', '),
    `${hop.mode}, ${hop.state}${hop.ended_why === null ? '' : ` (${hop.ended_why})`}`,
    hop.purpose,
  ]);
  return [
    ...table([['HOP', 'TASK', 'WORKLOAD', 'ON BEHALF OF', 'REACHES', 'MODE', 'PURPOSE'], ...hops]),
    '',
    ...steps.flatMap((step) =>
      stepLines(step, step.task === undefined ? undefined : numbers.get(step.task), isVerbose),
    ),
  ];
}

/** What a reader without `--verbose` sees of a step, beside its policies. */
const SHORT = new Set([
  'workload',
  'code',
  'reason',
  'purpose',
  'principal',
  'why',
  'answer',
  'status',
  'detail',
  'error',
  'handle',
  'parameters',
  'arguments',
  'joined by',
  'controls',
]);

function stepLines(step: Step, hop: number | undefined, isVerbose: boolean): string[] {
  const mark = step.failed ? '!' : ' ';
  const head = `${step.at}  ${mark} ${hop === undefined ? '   ' : `[${hop}]`} ${step.title}`;
  const details = step.details.filter(([name]) => isVerbose || SHORT.has(name));
  const policies = step.policies.flatMap(({ id, text }) =>
    (text ?? `${id}: not in the text of these rules`).split('\n').map((line) => `        | ${line}`),
  );
  return [head, `        by ${step.who}`, ...details.map(([name, value]) => `        ${name}: ${value}`), ...policies];
}
