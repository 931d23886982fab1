import { AssumeRoleCommand, GetScopedCredentialsCommand } from '@aws-sdk/client-sts';
import type { Clock } from '../../domain/clock.ts';
import type { HealthFinding } from '../provider.ts';
import { ask } from './call.ts';
import { requireKeys, type Clients } from './clients.ts';
import type { AwsSection } from './config.ts';
import { whyOf } from './errors.ts';
import { finding } from './findings.ts';
import { SHORTEST_SESSION } from './limits.ts';
import { GRANT_TAG } from './plan.ts';
import { ALLOW_CHILDREN, text } from './policy.ts';

/** How long a role that could be assumed is not tried again. */
const KNOWN_MS = 600_000;

/**
 * Whether sessions of a profile's role can be had: one is asked for that may do nothing, and thrown away. Only AWS knows
 * what its trust policies come to.
 */
export type TryRole = (section: AwsSection, scoped: boolean, signal: AbortSignal) => Promise<readonly HealthFinding[]>;

export function makeTryRole(clients: Clients, defaultRegion: string, clock: Clock): TryRole {
  const fine = new Map<string, number>();
  return async (section, scoped, signal) => {
    const { role_arn: role, external_id, source_identity, region = defaultRegion } = section;
    const tags = Object.entries(section.tags).filter(([, value]) => !value.includes('{{'));
    const key = JSON.stringify([role, external_id, source_identity, region, tags, scoped]);
    if ((fine.get(key) ?? 0) > clock.now().getTime()) return [];
    const command = new AssumeRoleCommand({
      RoleArn: role,
      RoleSessionName: 'writ-check',
      DurationSeconds: SHORTEST_SESSION,
      Policy: text([ALLOW_CHILDREN]),
      Tags: [
        { Key: GRANT_TAG, Value: 'check' },
        { Key: 'writ:task', Value: 'check' },
        ...tags.map(([Key, Value]) => ({ Key, Value })),
      ],
      TransitiveTagKeys: [GRANT_TAG, 'writ:task'],
      ...(external_id !== undefined && { ExternalId: external_id }),
      ...(source_identity && { SourceIdentity: 'writ.check' }),
    });
    let keys;
    try {
      keys = requireKeys(
        (await ask(signal, command, (options) => clients.sts(region).send(command, options))).Credentials,
      );
    } catch (error) {
      return [finding('role_not_assumable', { role, why: whyOf(error) })];
    }
    if (scoped) {
      const child = new GetScopedCredentialsCommand({ DurationSeconds: 1, Policy: text([ALLOW_CHILDREN]) });
      const session = clients.as(keys, clients.sts(region));
      try {
        await ask(signal, child, (options) => session.send(child, options));
      } catch (error) {
        return [finding('children_refused', { role, why: whyOf(error) })];
      }
    }
    fine.set(key, clock.now().getTime() + KNOWN_MS);
    return [];
  };
}
