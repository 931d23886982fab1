import { z } from 'zod';
import type { Parameters, Profile } from '../../domain/profile.ts';
import type { SectionOf } from '../own.ts';
import type { MintRecord, MintRequest, Plan } from '../provider.ts';
import { fillText, type Fill } from '../template.ts';
import { refused } from './errors.ts';
import type { VaultSection } from './section.ts';
import { isPath, isSegment, nameOf } from './values.ts';

/**
 * The first life of a token, in seconds: it is extended only once its accessor is on record, so that what a crash leaves dies
 * by itself (CORRECTNESS, *Issue* 5).
 */
const FIRST_LIFE = 30;
/** A mint can no longer be recorded so long after it was planned, nor is it begun. */
export const MINT_SECONDS = 15;
/** The longest that a call of a mint is under way, and what clocks, queues and Vault's own rounding may add. */
const PROVIDER_SECONDS = 10;
const MARGIN_SECONDS = 15;
/** How long a wrapped token may be fetched. */
const WRAP_SECONDS = 60;

const name = z.string().regex(/^writ-m[0-9a-z]{21}$/);
const instant = z.iso.datetime({ precision: 3 });
const seconds = z.string().regex(/^[1-9][0-9]*s$/);

/** The body for `auth/token/create`, exactly as it is sent; the token that comes of it must be the same. */
const TokenRequest = z.strictObject({
  policies: z.array(z.string()).min(1),
  ttl: seconds,
  explicit_max_ttl: seconds,
  num_uses: z.int().min(0),
  renewable: z.literal(true),
  no_default_policy: z.literal(true),
  type: z.literal('service'),
  display_name: z.string(),
  meta: z.strictObject({
    writ_grant: z.string(),
    writ_task: z.string(),
    writ_workload: z.string(),
    writ_mint: z.string(),
  }),
  entity_alias: name.exactOptional(),
});

/** A plan's `request`: everything that will be asked, and when at the latest. */
export const VaultRequest = z.strictObject({
  address: z.string(),
  namespace: z.string(),
  started_at: instant,
  ends_at: instant,
  token_role: z.string().refine(isSegment),
  token: TokenRequest,
  secret: z.string().refine(isPath).exactOptional(),
  wrap_ttl: seconds.exactOptional(),
  entity: z.strictObject({ name, metadata: z.record(z.string(), z.string()) }).exactOptional(),
  policy: z.strictObject({ name, text: z.string() }).exactOptional(),
});
export type VaultRequest = z.infer<typeof VaultRequest>;

/** What a plan depends on. */
export interface Planning {
  readonly place: Place;
  readonly sectionOf: SectionOf<VaultSection>;
}

/** The server as the provider's entry names it, and what it allows. */
export interface Place {
  readonly address: string;
  readonly namespace: string;
  readonly allowPolicyTemplates: boolean;
}

export function planToken(
  { place, sectionOf }: Planning,
  profile: Profile,
  parameters: Parameters,
  mint: MintRequest,
): Plan & { readonly request: VaultRequest } {
  const section = sectionOf(profile);
  const { address, namespace, allowPolicyTemplates } = place;
  if (section.policy_template !== undefined && !allowPolicyTemplates) throw refused('policy_templates_off');
  const life = Math.floor((mint.endsAt.getTime() - mint.now.getTime()) / 1000);
  if (life < 1) throw refused('end_has_passed');

  const fill = plain(parameters);
  const own = nameOf(mint.mint);
  const policies = section.policy_template === undefined ? section.policies : [...section.policies, own];
  const request: VaultRequest = {
    address,
    namespace,
    started_at: mint.now.toISOString(),
    ends_at: mint.endsAt.toISOString(),
    token_role: section.token_role,
    token: {
      policies: [...policies].sort(),
      ttl: `${Math.min(FIRST_LIFE, life)}s`,
      explicit_max_ttl: `${life}s`,
      num_uses: section.num_uses,
      renewable: true,
      no_default_policy: true,
      type: 'service',
      display_name: `writ-${mint.grant}`,
      meta: {
        writ_grant: mint.grant,
        writ_task: mint.task,
        writ_workload: `${mint.subject.trust}/${mint.subject.id}`,
        writ_mint: mint.mint,
      },
      ...(section.entity && { entity_alias: own }),
    },
    ...(section.secret !== undefined && { secret: fillText(section.secret, fill) }),
    ...(section.wrap && { wrap_ttl: `${Math.min(WRAP_SECONDS, life)}s` }),
    ...(section.entity && { entity: { name: own, metadata: filled(section.entity.metadata, fill) } }),
    ...(section.policy_template !== undefined && {
      policy: { name: own, text: fillText(section.policy_template, fill) },
    }),
  };
  return {
    mint: mint.mint,
    endsAt: mint.endsAt,
    revocability: { mode: 'immediate' },
    request,
    // A lease may be shorter than its token: the next one is fetched by renewing.
    ...(section.secret !== undefined && { short: true }),
  };
}

/** A plan's request as it comes back from the ledger. @throws ProviderError for one that is not of this mint. */
export function readRequest({ mint, request }: Pick<MintRecord, 'mint' | 'request'>): VaultRequest {
  const parsed = VaultRequest.safeParse(request);
  const own = nameOf(mint);
  const ours =
    parsed.success &&
    parsed.data.token.meta.writ_mint === mint &&
    [parsed.data.entity?.name ?? own, parsed.data.policy?.name ?? own].every((each) => each === own);
  if (!ours) throw refused('plan_of_another_set_up');
  return parsed.data;
}

/** Whether it was planned for the server that the provider's entry names. */
export function isHere(place: Place, { address, namespace }: VaultRequest): boolean {
  return address === place.address && namespace === place.namespace;
}

/** From when on nothing of a mint can live that nobody extended: it was begun in time, and its first life is over. */
export function harmlessFrom({ started_at }: VaultRequest): Date {
  const seconds = MINT_SECONDS + PROVIDER_SECONDS + FIRST_LIFE + MARGIN_SECONDS;
  return new Date(Date.parse(started_at) + seconds * 1000);
}

/** A caller's value stays the word that the profile made room for: it is no wildcard, leads nowhere else and ends no quote. */
function plain(parameters: Parameters): Fill {
  return (parameter) => {
    const value = Object.hasOwn(parameters, parameter) ? parameters[parameter] : undefined;
    if (value === undefined) throw refused('parameter_missing', { parameter });
    if (!isSegment(value)) throw refused('parameter_not_plain', { parameter });
    return value;
  };
}

function filled(metadata: Readonly<Record<string, string>>, fill: Fill): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, fillText(value, fill)]));
}
