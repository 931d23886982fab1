import { z } from 'zod';
import type { JsonObject } from '../../domain/json.ts';
import type { Profile } from '../../domain/profile.ts';
import { fillText } from '../template.ts';
import { isPath, isSegment } from './values.ts';

/** As Vault keeps them: it makes capitals small. */
const POLICY = /^[a-z0-9][a-z0-9_.-]*(?:\/[a-z0-9][a-z0-9_.-]*)*$/;
/** Names that mean something of their own, or that are ours. */
const NO_POLICY = new Set(['root', 'default', 'response-wrapping', 'control-group']);
const OURS = /^writ-m/;
/** Of a rule, as HCL writes it and as JSON does: what a value may be is judged for a path, and for nothing else. */
const QUOTED_PATH = /\bpath\s+"[^"\n]*"|"[^"\n]*"\s*:\s*\{/g;
/** Mounts that have no secrets to lease. */
const NO_SECRET = new Set(['sys', 'auth', 'identity', 'cubbyhole']);

const policy = z
  .string()
  .max(256)
  .regex(POLICY, '{value} is not a name of a policy: a-z, 0-9, - _ . and /, as Vault keeps them')
  .refine((name) => !NO_POLICY.has(name), '{value} is a policy that no credential is given')
  .refine((name) => !OURS.test(name), '{value} is named like the policies that are made for one grant');

/**
 * `token_role`: which role at `auth/token/roles/` makes the token. `policies`: exactly those that it has; Vault's `default` is
 * never among them. `num_uses`: requests that it is good for, 0 for any number. `wrap`: the caller gets a token that gives
 * the real one once. `secret`: is read with the token, and handed out in its place. `entity`: an identity entity for this
 * grant alone, whose metadata the text of static policies may name. `policy_template`: a policy for this grant alone.
 */
export const VaultSection = z.strictObject({
  token_role: z
    .string()
    .refine(isSegment, '{value} is not a name of a token role: letters, digits and _ . - are')
    .default('writ'),
  policies: z.array(policy).max(30).default([]),
  num_uses: z.int().min(0).max(1_000_000).default(0),
  wrap: z.boolean().default(false),
  secret: z.string().min(1).max(512).exactOptional(),
  entity: z
    .strictObject({
      metadata: z.record(
        z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, '{value} is no name for metadata'),
        z.string().max(512),
      ),
    })
    .exactOptional(),
  allow_policy_template: z.boolean().default(false),
  policy_template: z.string().min(1).max(16_384).exactOptional(),
}) satisfies z.ZodType<JsonObject>;
export type VaultSection = z.infer<typeof VaultSection>;

/** What one member says about another, and which of them a caller may have a part in. */
export function sectionProblems(profile: Profile) {
  const section = VaultSection.parse(profile.section);
  const { policies, policy_template, secret, entity } = section;
  const found: { path: (string | number)[]; message: string }[] = [];
  const problem = (path: readonly (string | number)[], message: string) =>
    found.push({ path: ['vault', ...path], message });

  if (policies.length === 0 && policy_template === undefined)
    problem(['policies'], 'names no policy: the token could do nothing');
  if (new Set(policies).size < policies.length) problem(['policies'], 'names a policy twice');
  if (policy_template !== undefined && !section.allow_policy_template)
    problem(['policy_template'], 'needs allow_policy_template: true beside it');
  if (policy_template !== undefined && entity) problem(['entity'], 'is not for a profile with policy_template');
  if (policy_template !== undefined && hasControl(policy_template))
    problem(['policy_template'], 'has control characters');
  if (policy_template?.replaceAll(QUOTED_PATH, '').includes('{{'))
    problem(['policy_template'], 'has a parameter in something else than the quoted path of a rule');
  if (entity && Object.keys(entity.metadata).length === 0) problem(['entity', 'metadata'], 'names nothing');
  if (secret !== undefined) {
    if (section.wrap) problem(['wrap'], 'is not for a profile with secret: what is handed out is no token');
    if (section.num_uses === 1) problem(['num_uses'], 'of 1 is used up by the reading, which would end the secret');
    const words = withoutReferences(secret);
    if (!isPath(words)) problem(['secret'], 'is not a path: names with / between them, without / at its beginning');
    else if (NO_SECRET.has(words.split('/')[0] ?? '')) problem(['secret'], 'is under a mount that has no secrets');
    else if (secret.split('/')[0]?.includes('{{'))
      problem(['secret'], 'names its mount literally: parameters come later');
  }
  return found;
}

/** Where each parameter is a word. Braces that hold something else are reported for all sections alike. */
function withoutReferences(text: string): string {
  try {
    return fillText(text, () => 'word');
  } catch {
    return 'word/word';
  }
}

/** Line ends and tabs may stand in a policy. */
function hasControl(text: string): boolean {
  return /[^\P{Cc}\n\r\t]/u.test(text);
}
