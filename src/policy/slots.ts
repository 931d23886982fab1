import { randomUUID } from 'node:crypto';
import type { CheckParseAnswer } from '@cedar-policy/cedar-wasm/nodejs';

/** Where Cedar keeps what it has parsed: a few places with names, which are used again. */
export interface Slots<Input> {
  /** The name under which this very input is parsed now. @throws Error when Cedar does not take it. */
  nameFor(input: Input): string;
}

/**
 * Cedar keeps what it has parsed under a name for the life of the thread, and forgets nothing: a name for each generation
 * would leak. So there are a few names, and each remembers whose set it holds. A set that has lost its place to newer
 * ones is parsed again when it is asked again, which costs milliseconds and is rare (a request that is still on the
 * generation before last): it is never answered by another set's policies. Deciding is synchronous, so that nothing can
 * take a place between looking it up and using it.
 */
export function makeSlots<Input>(count: number, parse: (name: string, input: Input) => CheckParseAnswer): Slots<Input> {
  const prefix = randomUUID();
  /** The last used first. */
  const slots: { readonly name: string; held?: Input }[] = Array.from({ length: count }, (_, index) => ({
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
        mustParse(parse(slot.name, input));
        slot.held = input;
      }
      return slot.name;
    },
  };
}

/** @throws Error when Cedar did not take it. */
export function mustParse(taken: CheckParseAnswer): void {
  if (taken.type === 'failure') throw new Error(taken.errors.map(({ message }) => message).join('; '));
}
