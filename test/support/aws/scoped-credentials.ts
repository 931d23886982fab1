import type { SignedAction } from './actions.ts';
import { requireAllowed } from './authorize.ts';
import { accessDenied, AwsError, invalid } from './errors.ts';
import { optionalInteger, optionalText } from './query.ts';
import { inlinePolicy } from './session-policies.ts';
import { openSession, wholeSeconds } from './sessions.ts';

const LAYERS_MAX = 3;

/**
 * A narrower session of the same identity. It is authorized like any other action, on `*`: the documents do not say whether
 * STS asks for a permission, so a caller that has it is right either way. `aws:TokenIssueTime` is the child's own, which is
 * the harder case for whoever revokes by time.
 */
export const getScopedCredentials: SignedAction = {
  signed: true,
  params: ['Policy', 'DurationSeconds', 'MinimumSessionTokenSize', 'ScopedSessionDescription'],
  run(account, form, who) {
    const seconds = optionalInteger(form, 'DurationSeconds', 1, 129_600);
    optionalText(form, 'ScopedSessionDescription', { min: 0, max: 256 });
    const layer = inlinePolicy(form);
    if (!layer && seconds === undefined) throw invalid('Either Policy or DurationSeconds must be specified.');
    if (who.is === 'user') {
      throw new AwsError(
        400,
        'InvalidSubjectCredentials',
        'GetScopedCredentials needs temporary security credentials.',
      );
    }
    requireAllowed(account, who, 'sts:GetScopedCredentials', '*');
    const scopes = who.scopes + (layer ? 1 : 0);
    if (scopes > LAYERS_MAX) {
      const why = `because the session has ${LAYERS_MAX} scope down policies already`;
      throw accessDenied(who.arn, 'sts:GetScopedCredentials', who.arn, why);
    }
    const now = account.clock.now();
    if (seconds !== undefined && now.getTime() + seconds * 1000 > who.expiration.getTime()) {
      throw new AwsError(
        400,
        'InsufficientSessionLifetime',
        'The requested DurationSeconds exceeds the remaining lifetime of the calling session.',
      );
    }
    const { session, credentials, usage } = openSession(account, form, {
      role: who.of,
      name: who.name,
      tags: { tags: who.tags, transitive: who.transitiveTagKeys },
      sourceIdentity: who.sourceIdentity,
      federatedProvider: who.federatedProvider,
      layers: layer ? [...who.layers, layer] : who.layers,
      expiration: seconds === undefined ? who.expiration : new Date(wholeSeconds(now) + seconds * 1000),
      depth: who.depth + 1,
      scopes,
    });
    return {
      Credentials: credentials,
      SessionInfo: { ScopedSessionId: session.id, Arn: session.arn },
      ...usage,
      ScopedPoliciesCount: scopes,
      SourceIdentity: session.sourceIdentity,
    };
  },
};
