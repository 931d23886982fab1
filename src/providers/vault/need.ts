import type { Profile } from '../../domain/profile.ts';
import type { VaultRequest } from './plan.ts';
import { VaultSection } from './section.ts';
import { nameOf } from './values.ts';

/** What tokens of a profile need of the server, whichever grant they are for. */
export interface Need {
  readonly role: string;
  readonly policies: readonly string[];
  readonly uses: number;
  readonly secret: boolean;
  readonly entity: boolean;
  readonly policy: boolean;
  /** The longest life, in seconds, where it is known. */
  readonly seconds?: number;
}

/** Stands for what is named after a mint. */
export const SOME_NAME = nameOf(`m${'0'.repeat(21)}`);

export function needOf(profile: Profile, maxTtlSeconds: number | undefined): Need {
  const section = VaultSection.parse(profile.section);
  return {
    role: section.token_role,
    policies: [...section.policies, ...(section.policy_template === undefined ? [] : [SOME_NAME])].sort(),
    uses: section.num_uses,
    secret: section.secret !== undefined,
    entity: section.entity !== undefined,
    policy: section.policy_template !== undefined,
    seconds: Math.min(profile.ttl.max, maxTtlSeconds ?? Infinity),
  };
}

export function needOfPlan({ token_role, token, secret, entity, policy }: VaultRequest): Need {
  return {
    role: token_role,
    policies: token.policies.map((name) => (name === policy?.name ? SOME_NAME : name)).sort(),
    uses: token.num_uses,
    secret: secret !== undefined,
    entity: entity !== undefined,
    policy: policy !== undefined,
  };
}
