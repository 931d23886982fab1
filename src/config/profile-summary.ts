import type { Profile } from '../domain/profile.ts';
import { profileMembers } from './profile.ts';
import { readYaml } from './yaml.ts';
import { isJsonObject } from '../domain/json.ts';

/** What a profile offers, without its provider's section: for whoever shows which rules there are. */
export type ProfileSummary = Pick<Profile, 'name' | 'provider' | 'owner' | 'environment' | 'effect'> & {
  /** Seconds. */
  readonly maxTtl: number;
};

/** Of a file that was applied; undefined where this version cannot read it. */
export function summariseProfile(file: string, text: string): ProfileSummary | undefined {
  const { value } = readYaml(file, text);
  const read = isJsonObject(value) ? profileMembers.loose().safeParse(value) : undefined;
  if (!read?.success) return undefined;
  const { name, provider, owner, environment, effect, ttl } = read.data;
  return { name, provider, owner, environment, effect, maxTtl: ttl.max };
}
