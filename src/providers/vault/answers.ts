import { z } from 'zod';
import { ProviderError } from '../../domain/errors.ts';
import type { Reply } from './wire.ts';

/** What is read of Vault's answers. Members that are not named here are of no concern. */

const text = z.string().min(1).max(4_096);
const seconds = z.int().min(0);
/** Of a token: `default` service tokens have 24 characters, those of a namespace a suffix. */
const accessor = z.string().regex(/^[A-Za-z0-9._-]{8,256}$/);

export const LoginAnswer = z.object({
  auth: z.object({ client_token: text, lease_duration: seconds, renewable: z.boolean() }),
});
export const CreateAnswer = z.object({ auth: z.object({ client_token: text, accessor }) });
/** The token itself is not told again. */
export const RenewAnswer = z.object({ auth: z.object({ lease_duration: seconds }) });

export const WrapAnswer = z.object({
  wrap_info: z.object({
    token: text,
    accessor,
    ttl: seconds,
    creation_path: z.string(),
    wrapped_accessor: accessor,
  }),
});

const names = z.array(z.string());
const none = names.nullish().transform((list) => list ?? []);

/** Of `auth/token/lookup-accessor` and `lookup-self`. */
export const Token = z.object({
  accessor: z.string(),
  creation_ttl: seconds,
  ttl: seconds,
  explicit_max_ttl: seconds,
  period: seconds.optional(),
  num_uses: z.int(),
  orphan: z.boolean(),
  renewable: z.boolean().optional(),
  type: z.string(),
  role: z.string().optional(),
  policies: names,
  identity_policies: none,
  meta: z.record(z.string(), z.string()).nullish(),
  display_name: z.string(),
  entity_id: z.string(),
});
export type Token = z.infer<typeof Token>;
export const TokenAnswer = z.object({ data: Token });

export const CapabilitiesAnswer = z.object({ data: z.record(z.string(), z.union([names, z.unknown()])) });

/** A secret that was read with a token of ours; `data` is whatever the engine says. */
export const SecretAnswer = z.object({
  lease_id: z.string().max(2_048),
  lease_duration: seconds,
  data: z.record(z.string(), z.json()),
});

export const EntityMade = z.object({ data: z.object({ id: text }) });
export const EntityAnswer = z.object({ data: z.object({ id: text, disabled: z.boolean() }) });
export const NamesAnswer = z.object({ data: z.object({ keys: names }) });
export const AuthMounts = z.object({ data: z.record(z.string(), z.looseObject({ accessor: text.optional() })) });

export const TokenRole = z.object({
  data: z.object({
    orphan: z.boolean(),
    renewable: z.boolean(),
    token_type: z.string(),
    token_explicit_max_ttl: seconds,
    token_period: seconds,
    token_num_uses: seconds.default(0),
    allowed_policies: none,
    allowed_policies_glob: none,
    disallowed_policies: none,
    disallowed_policies_glob: none,
    allowed_entity_aliases: none,
  }),
});
export type TokenRole = z.infer<typeof TokenRole>;

/** Answered with many statuses; the body says it. */
export const HealthAnswer = z.object({
  initialized: z.boolean(),
  sealed: z.boolean(),
  standby: z.boolean(),
  replication_dr_mode: z.string().optional(),
  server_time_utc: z.int(),
  cluster_id: z.string().optional(),
});

/** @throws ProviderError `provider_answer_wrong`, which says of which step and nothing of the answer. */
export function parse<T>(schema: z.ZodType<T>, { body }: Reply, step: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new ProviderError('provider_answer_wrong', { nothingLives: false, facts: { step } });
}
