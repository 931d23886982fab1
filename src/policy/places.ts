import { randomUUID } from 'node:crypto';
import type { CheckParseAnswer } from '@cedar-policy/cedar-wasm/nodejs';

/** Where Cedar keeps what it has parsed of a few things: of each, one text or several. */
export interface Places<Thing, Text> {
  /** The name under which this very text of the thing is parsed now. @throws Error when Cedar does not take it. */
  nameFor(thing: Thing, text: Text): string;
}

/** A thing that has a place, and the names of what is parsed of it. */
interface Held<Thing, Text> {
  readonly thing: Thing;
  readonly names: Map<Text, string>;
}

/**
 * Cedar keeps what it has parsed under a name for the life of the thread, and forgets nothing: a name for each generation would leak. So the few
 * things that were last asked have what was asked of them parsed, and one that loses its place to a newer one has all of it overwritten with
 * nothing: what is held does not grow with the number of generations. What has lost its place is parsed again when it is asked again, which costs
 * milliseconds and is rare (a request that is still on the generation before last): it is never answered by another set's policies. Deciding
 * is synchronous, so that nothing can take a place between looking it up and using it.
 */
export function makePlaces<Thing, Text>(
  count: number,
  nothing: Text,
  parse: (name: string, text: Text) => CheckParseAnswer,
): Places<Thing, Text> {
  const prefix = randomUUID();
  /** The last used first. */
  let held: Held<Thing, Text>[] = [];
  const free: string[] = [];
  let named = 0;

  function placeOf(thing: Thing): Held<Thing, Text> {
    const place = held.find((each) => each.thing === thing) ?? { thing, names: new Map<Text, string>() };
    if (held[0] !== place) {
      held = [place, ...held.filter((each) => each !== place)];
      for (const { names } of held.splice(count)) for (const name of names.values()) empty(name);
    }
    return place;
  }

  function empty(name: string): void {
    mustParse(parse(name, nothing));
    free.push(name);
  }

  return {
    nameFor(thing, text) {
      const { names } = placeOf(thing);
      const there = names.get(text);
      if (there !== undefined) return there;
      const name = free.pop() ?? `${prefix}:${named++}`;
      try {
        mustParse(parse(name, text));
      } catch (error) {
        empty(name);
        throw error;
      }
      names.set(text, name);
      return name;
    },
  };
}

/** @throws Error when Cedar did not take it. */
function mustParse(taken: CheckParseAnswer): void {
  if (taken.type === 'failure') throw new Error(taken.errors.map(({ message }) => message).join('; '));
}
