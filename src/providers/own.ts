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

/** What this process has made itself, so that it need not read its own writing. What came back from the ledger is another object. */
export interface Own<Written extends object, Made> {
  note(written: Written, made: Made): void;
  /** What was noted, or else what is read. */
  read(written: Written): Made;
}

/** @param read - for what comes from elsewhere; @throws ProviderError. */
export function makeOwn<Written extends object, Made>(read: (written: Written) => Made): Own<Written, Made> {
  const own = new WeakMap<Written, Made>();
  return {
    note: (written, made) => void own.set(written, made),
    read: (written) => own.get(written) ?? read(written),
  };
}

/** The same of requests, by the plans that they are in. */
export interface Planned<Request extends JsonObject> {
  /** @returns the plan. */
  note(plan: Plan & { readonly request: Request }): Plan;
  read(plan: Plan): Request;
}

export function makePlanned<Request extends JsonObject>(read: (plan: Plan) => Request): Planned<Request> {
  const own = makeOwn(read);
  return {
    note(plan) {
      own.note(plan, plan.request);
      return plan;
    },
    read: own.read,
  };
}
