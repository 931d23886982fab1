import type { z } from 'zod';
import type { JsonObject } from '../domain/json.ts';
import type { Profile } from '../domain/profile.ts';
import type { Plan } from './provider.ts';

/** The section of a profile as its kind reads it: once for each, and not once for each issuance. */
export type SectionOf<Section> = (profile: Profile) => Section;

export function makeSectionOf<Section>(schema: z.ZodType<Section>): SectionOf<Section> {
  const known = new WeakMap<JsonObject, Section>();
  return ({ section }) => {
    const there = known.get(section) ?? schema.parse(section);
    known.set(section, there);
    return there;
  };
}

/** What this process has made itself, so that it need not read its own writing. */
export interface Own<Made extends JsonObject> {
  /** @returns what it was given. */
  note(made: Made): Made;
  /** What was noted, or else what is read of it. What came back from the ledger is another object. */
  read(made: JsonObject): Made;
}

/** @param read - for what comes from elsewhere; @throws ProviderError. */
export function makeOwn<Made extends JsonObject>(read: (made: JsonObject) => Made): Own<Made> {
  const own = new WeakMap<JsonObject, Made>();
  return {
    note(made) {
      own.set(made, made);
      return made;
    },
    read: (made) => own.get(made) ?? read(made),
  };
}

/** What this process has planned itself, so that it need not read its own writing. */
export interface Planned<Request extends JsonObject> {
  /** @returns the plan. */
  note(plan: Plan & { readonly request: Request }): Plan;
  /** The request of a plan that was noted, or else what is read of it. What came back from the ledger is another object. */
  read(plan: Plan): Request;
}

/** @param read - for a plan from elsewhere; @throws ProviderError. */
export function makePlanned<Request extends JsonObject>(read: (plan: Plan) => Request): Planned<Request> {
  const own = new WeakMap<Plan, Request>();
  return {
    note(plan) {
      own.set(plan, plan.request);
      return plan;
    },
    read: (plan) => own.get(plan) ?? read(plan),
  };
}
