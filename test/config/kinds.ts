import { z } from 'zod';
import type { JsonObject } from '../../src/domain/json.ts';
import type { EntryKind, SectionKind } from '../../src/config/index.ts';

/** Small kinds with the traits that matter to the configuration: a secret, a section, what a schema cannot say. */

export const attesterKinds: readonly EntryKind[] = [
  {
    kind: 'spiffe',
    config: z.strictObject({ trust_domain: z.string(), bundle: z.strictObject({ file: z.string() }) }),
  },
  { kind: 'oidc', config: z.strictObject({ issuer: z.url() }) },
];

const store = {
  kind: 'store',
  config: z.strictObject({
    url: z.string().refine((url) => url.startsWith('store://'), 'must be a URL such as store://host'),
    shards: z.int().exactOptional(),
  }),
  section: z.strictObject({
    roles: z.array(z.string()).min(1),
    limit: z.int().default(5),
  }) satisfies z.ZodType<JsonObject>,
};

const jwt = {
  kind: 'jwt',
  config: z.strictObject({}),
  section: z.strictObject({
    audience: z.string(),
    claims: z.record(z.string(), z.string()).default({}),
  }) satisfies z.ZodType<JsonObject>,
  sectionProblems: ({ section }: { section: JsonObject }) =>
    section['audience'] === 'reserved' ? [{ path: ['jwt', 'audience'], message: 'is the broker’s own' }] : [],
};

export const providerKinds: readonly (EntryKind & SectionKind)[] = [store, jwt];
