import { randomUUID } from 'node:crypto';
import type { CheckParseAnswer } from '@cedar-policy/cedar-wasm/nodejs';
import type { Sliced, Texts } from './slices.ts';
import { mustParse } from './slots.ts';

/** Where Cedar keeps sets of policies, whole and in slices. */
export interface SetPlaces {
  /** The name under which these policies of the set are parsed now. @throws Error when Cedar does not take them. */
  nameFor(set: Sliced, texts: Texts): string;
}

/** A set that has a place, and the names of what is parsed of it. */
interface Held {
  readonly set: Sliced;
  readonly names: Map<Texts, string>;
}

/**
 * Cedar forgets nothing (slots.ts): the few sets that were last asked have what was asked of them parsed, and a set that loses its place to a newer
 * one has all of it overwritten with nothing. So what is held is a few sets and their slices, which are bounded by the set (slices.ts), and does
 * not grow with the number of generations.
 */
export function makeSetPlaces(count: number, parse: (name: string, texts: Texts) => CheckParseAnswer): SetPlaces {
  const prefix = randomUUID();
  /** The last used first. */
  let held: Held[] = [];
  const free: string[] = [];
  let named = 0;

  function placeOf(set: Sliced): Held {
    const place = held.find((each) => each.set === set) ?? { set, names: new Map() };
    if (held[0] !== place) {
      held = [place, ...held.filter((each) => each !== place)];
      for (const { names } of held.splice(count)) for (const name of names.values()) empty(name);
    }
    return place;
  }

  function empty(name: string): void {
    mustParse(parse(name, {}));
    free.push(name);
  }

  return {
    nameFor(set, texts) {
      const { names } = placeOf(set);
      const there = names.get(texts);
      if (there !== undefined) return there;
      const name = free.pop() ?? `${prefix}:${named++}`;
      try {
        mustParse(parse(name, texts));
      } catch (error) {
        empty(name);
        throw error;
      }
      names.set(texts, name);
      return name;
    },
  };
}
