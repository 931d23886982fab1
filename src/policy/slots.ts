import { randomUUID } from 'node:crypto';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { CheckParseAnswer } from '@cedar-policy/cedar-wasm/nodejs';

/** What Cedar parses before it can decide quickly. */
export interface ParseInput {
  /** Text by id. */
  readonly policies: Readonly<Record<string, string>>;
  readonly schema: string;
}

/** Where Cedar keeps parsed sets: a few places with names, which are used again. */
export interface Slots {
  /** The name under which this very set is parsed now. @throws Error when Cedar does not take it. */
  nameFor(input: ParseInput): string;
}

/**
 * Cedar keeps what it has parsed under a name for the life of the thread, and forgets nothing: a name for each generation
 * would leak. So there are a few names, and each remembers whose set it holds. A set that has lost its place to newer
 * ones is parsed again when it is asked again, which costs milliseconds and is rare (a request that is still on the
 * generation before last): it is never answered by another set's policies. Deciding is synchronous, so that nothing can
 * take a place between looking it up and using it.
 */
export function makeSlots(count: number): Slots {
  const prefix = randomUUID();
  /** The last used first. */
  const slots: { readonly name: string; held?: ParseInput }[] = Array.from({ length: count }, (_, index) => ({
    name: `${prefix}:${index}`,
  }));
  return {
    nameFor(input) {
      const at = slots.findIndex(({ held }) => held === input);
      if (at === 0) return slots[0]?.name ?? '';
      const [slot] = slots.splice(at < 0 ? count - 1 : at, 1);
      if (!slot) throw new Error('no slot');
      slots.unshift(slot);
      if (at < 0) {
        delete slot.held;
        parse(slot.name, input);
        slot.held = input;
      }
      return slot.name;
    },
  };
}

function parse(name: string, { policies, schema }: ParseInput): void {
  const taken = (answer: CheckParseAnswer) => {
    if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
  };
  taken(cedar.preparseSchema(name, schema));
  taken(cedar.preparsePolicySet(name, { staticPolicies: { ...policies } }));
}
