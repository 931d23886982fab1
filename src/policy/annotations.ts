import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { ApprovalNeeds } from '../domain/approval.ts';
import { parseDuration } from '../domain/duration.ts';
import { parseRequires, REQUIRES_FORM } from './needs.ts';

/** What Writ reads from a policy beside what Cedar evaluates. */
export interface Annotated {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** Seconds; on permits only. */
  readonly maxTtl?: number;
  /** Whose approval it wants; absent: nobody's. */
  readonly requires?: ApprovalNeeds;
  /** A forbid that an exception may set aside. */
  readonly overridable: boolean;
  readonly controls: readonly string[];
}

export interface AnnotationFault {
  /** Absent where an annotation is missing. */
  readonly annotation?: string;
  readonly message: string;
}

const KNOWN = ['id', 'max_ttl', 'requires', 'overridable', 'control'];
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Framework and identifier, as in `NIST-AI-RMF:GOVERN 1.6`; several are separated by commas. */
const CONTROL = /^[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9 ._()/-]*$/;

/** Reads a policy's annotations, or says everything that is wrong with them. */
export function readAnnotations({ annotations = {}, effect }: PolicyJson): Annotated | readonly AnnotationFault[] {
  // Annotations without a value are null, whatever Cedar's types say.
  const given = new Map<string, string | null>(Object.entries(annotations));
  const maxTtl = parseDuration(given.get('max_ttl') ?? '');
  const requires = parseRequires(given.get('requires') ?? '');
  const controls = (given.get('control') ?? '').split(',').map((control) => control.trim());
  const faults: AnnotationFault[] = [...given.keys()]
    .filter((name) => !KNOWN.includes(name))
    .map((name) => ({ annotation: name, message: `@${name} is not known; known are @${KNOWN.join(', @')}` }));
  const fault = (annotation: string, message: string) => void faults.push({ annotation, message });

  const id = given.get('id') ?? '';
  if (!given.has('id')) faults.push({ message: 'needs an @id("...") of its own' });
  else if (!ID.test(id)) fault('id', `@id ${quote(id)} must be letters, digits and . _ -, at most 64`);
  if (given.has('max_ttl')) {
    if (effect === 'forbid') fault('max_ttl', '@max_ttl is for permits: a forbid gives nothing');
    else if (maxTtl === undefined) fault('max_ttl', '@max_ttl must be a duration such as 90s, 15m or 1h');
  }
  if (given.has('requires') && !requires) fault('requires', `@requires must be ${REQUIRES_FORM}`);
  if (given.has('overridable')) {
    if (effect === 'permit') fault('overridable', '@overridable is for forbids: a permit stands in nobody’s way');
    else if (![null, 'exception'].includes(given.get('overridable') ?? null)) {
      fault('overridable', '@overridable must be "exception", or stand alone; nothing else overrides a forbid');
    }
  }
  if (given.has('control') && !controls.every((control) => CONTROL.test(control))) {
    fault('control', '@control must be FRAMEWORK:ID as in NIST-AI-RMF:GOVERN 1.6, several separated by commas');
  }
  if (faults.length > 0) return faults;
  return {
    id,
    effect,
    ...(maxTtl === undefined ? {} : { maxTtl }),
    ...(requires && given.has('requires') ? { requires } : {}),
    overridable: given.has('overridable'),
    controls: given.has('control') ? controls : [],
  };
}

const quote = (value: string) => JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
