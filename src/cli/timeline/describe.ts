import type { TaskTimeline, TimelineEntry } from '../../client/index.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { Step, StepKind } from './step.ts';

/** What some types are called for people; every other is told by its name and its facts, so that none is left out. */
const TITLES: Readonly<Record<string, string>> = {
  'task.created': 'task created',
  'task.delegated': 'task handed on',
  'task.ended': 'task ended',
  'grant.opened': 'credential asked of the provider',
  'grant.requested': 'a person has to approve first',
  'grant.activated': 'credential handed out',
  'grant.ending': 'its end began',
  'grant.expired': 'credential expired',
  'grant.revoked': 'credential revoked, confirmed by the provider',
  'grant.failed': 'nothing was handed out',
  'grant.stuck': 'the provider does not confirm the end',
  'mint.opened': 'one more credential asked of the provider',
  'mint.activated': 'one more credential handed out',
  'approval.requested': 'approval asked for',
  'approval.answered': 'a person answered',
  'approval.consumed': 'approval used',
  'approval.lapsed': 'approval lapsed',
  'call.reported': 'outcome of a call',
  'use.after_revocation': 'used after its end',
};

/** What a reader wants first; the rest follows in the order of the record. */
const FIRST = ['outcome', 'code', 'action', 'answer', 'why', 'reason', 'purpose', 'status', 'detail'];

/** Each event of the record as a step. */
export function stepsOf(timeline: TaskTimeline): Step[] {
  const decisions = new Map(timeline.decisions.map((decision) => [decision.id, decision]));
  return timeline.entries.map((entry) => {
    const step = stepOf(entry);
    const decision = isDecision(text(entry.event['type'])) && decisions.get(text(entry.event['decision']));
    if (!decision) return step;
    const rules = `generation ${decision.generation} (${decision.rules_hash})`;
    const controls = decision.controls.length > 0 ? [['controls', decision.controls.join(', ')] as const] : [];
    return { ...step, policies: decision.policies, details: [...step.details, ['rules', rules], ...controls] };
  });
}

function stepOf({ leaf, event }: TimelineEntry): Step {
  const type = text(event['type']);
  const facts = isJsonObject(event['facts']) ? event['facts'] : {};
  const about = ['resource', 'grant', 'decision', 'principal', 'origin'].flatMap((name) => detail(name, event[name]));
  const whose = whoseIfNotTheirs(event);
  const hidden = isDecision(type) ? ['policies', 'generation', 'rules_hash'] : [];
  const names = Object.keys(facts).filter((name) => !hidden.includes(name));
  const sorted = [...FIRST.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST.includes(name))];
  return {
    at: text(event['at']),
    task: typeof event['task'] === 'string' ? event['task'] : undefined,
    kind: kindOf(type),
    failed: event['success'] === false,
    title: titleOf(type, facts, event),
    who: who(event['actor']),
    details: [
      ['event', type],
      ...(whose === undefined ? [] : [['workload', whose] as const]),
      ...about,
      ...sorted.flatMap((name) => detail(name, facts[name])),
    ],
    policies: [],
    leaf,
  };
}

function titleOf(type: string, facts: JsonObject, event: JsonObject): string {
  const resource = text(event['resource']);
  if (isDecision(type)) {
    const action = type === 'call.decided' ? 'call' : text(facts['action']);
    const code = text(facts['code']);
    return `${text(facts['outcome'])}: ${action} ${resource}${code === '' ? '' : ` (${code})`}`;
  }
  return Object.hasOwn(TITLES, type) ? `${TITLES[type] ?? type}: ${resource}` : `${type}: ${resource}`;
}

const isDecision = (type: string) => type === 'decision.made' || type === 'call.decided';

const ENDS = new Set([
  'task.ended',
  'grant.ending',
  'grant.expired',
  'grant.revoked',
  'grant.failed',
  'mint.ending',
  'mint.ended',
]);

function kindOf(type: string): StepKind {
  if (isDecision(type) && type !== 'call.decided') return 'decision';
  if (ENDS.has(type)) return 'end';
  return KINDS.get(type.split('.')[0] ?? '') ?? 'other';
}

const KINDS: ReadonlyMap<string, StepKind> = new Map([
  ['task', 'task'],
  ['approval', 'approval'],
  ['exception', 'approval'],
  ['grant', 'credential'],
  ['mint', 'credential'],
  ['call', 'call'],
  ['use', 'call'],
]);

function who(actor: Json | undefined): string {
  if (!isJsonObject(actor)) return '';
  if (actor['kind'] === 'workload') return `${text(actor['id'])} (${text(actor['trust'])})`;
  if (actor['kind'] === 'operator') return `${text(actor['subject'])} at ${text(actor['issuer'])}`;
  return `writ ${text(actor['name'])}`;
}

/** Of an event, whose it is, where somebody else did it: an enforcement point asked, or the parent ended a task. */
function whoseIfNotTheirs({ actor, workload }: JsonObject): string | undefined {
  if (!isJsonObject(workload) || !isJsonObject(actor) || actor['kind'] !== 'workload') return undefined;
  if (actor['id'] === workload['id'] && actor['trust'] === workload['trust']) return undefined;
  return `${text(workload['id'])} (${text(workload['trust'])})`;
}

function detail(name: string, value: Json | undefined): (readonly [string, string])[] {
  if (value === undefined || value === null || value === '') return [];
  if (Array.isArray(value) && value.length === 0) return [];
  return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
}

export const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
