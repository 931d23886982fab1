import type { PolicyJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';

/** Policies as Cedar takes them: text by id. */
export type Texts = Readonly<Record<string, string>>;

/** A policy that can be asked about, with what its scope says of the resource. */
export interface Scoped {
  readonly id: string;
  readonly source: { readonly text: string };
  /** The only resource that it can apply to; absent: it may apply to any. */
  readonly resource?: string;
}

/** A set of policies, whole and in slices. */
export interface Sliced {
  readonly whole: Texts;
  /** Policies that hold all that can apply to this resource: its slice of the set, or the whole set. */
  about(resource: TypeAndId): Texts;
}

/** A slice that is not much smaller than the set is not worth a place of its own. */
const WORTH = 4;
/** Slices of one set at most, and how many policies they have together, in terms of those of the set: Cedar keeps each parsed. */
export const MAX_SLICES = 64;
const MAX_POLICIES = 2;

/**
 * Most rules are about one resource, and say so in their scope (`resource == Tool::"refund"`): where another is asked about, such a policy is not
 * satisfied and cannot err, so it is left out, and a decision does not become slower with the rules for everything else. A resource that is
 * asked about when there is no place left is decided by the whole set, which comes to the same.
 */
export function makeSliced(policies: readonly Scoped[]): Sliced {
  const whole = textsOf(policies);
  const named = new Set(policies.flatMap(({ resource }) => resource ?? []));
  const slices = new Map<string, Texts>();
  let places = MAX_SLICES;
  let room = MAX_POLICIES * policies.length;

  function sliceOf(uid: string): Texts {
    const some = policies.filter(({ resource }) => resource === undefined || resource === uid);
    if (places === 0 || some.length * WORTH > policies.length || some.length > room) return whole;
    places -= 1;
    room -= some.length;
    return textsOf(some);
  }

  return {
    whole,
    about(resource) {
      const uid = textOf(resource);
      // whatever no policy names shares one slice
      const key = named.has(uid) ? uid : '';
      const slice = slices.get(key) ?? sliceOf(key);
      slices.set(key, slice);
      return slice;
    },
  };
}

const textsOf = (policies: readonly Scoped[]): Texts =>
  Object.fromEntries(policies.map(({ id, source }) => [id, source.text]));

/** The types of what is asked about (call.ts); none of them lies in another, so that `in` says no more than `==`. */
const TYPES: ReadonlySet<string> = new Set(['Tool', 'Profile', 'Task']);
/** Ids that are written in one way only, whatever Cedar escapes. */
const PLAIN = /^[\x20-\x7e]+$/;

/** The one resource that a policy's scope names, as far as that is beyond doubt. */
export function resourceOf({ resource }: Pick<PolicyJson, 'resource'>): string | undefined {
  if (resource.op !== '==' || !('entity' in resource)) return undefined;
  const { entity } = resource;
  if (!('type' in entity) || !TYPES.has(entity.type) || !PLAIN.test(entity.id) || /["\\]/.test(entity.id))
    return undefined;
  return textOf(entity);
}

const textOf = ({ type, id }: TypeAndId) => `${type}::${id}`;
