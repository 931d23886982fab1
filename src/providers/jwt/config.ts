import { z } from 'zod';
import { parseDuration } from '../../domain/duration.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Profile } from '../../domain/profile.ts';
import { fillText } from '../template.ts';
import { isReserved } from './reserved.ts';
import { isScope } from './scope.ts';

/** `max_ttl`: no token of this provider lives longer. In the configuration a duration, here whole seconds. */
export const JwtConfig = z.strictObject({
  max_ttl: z
    .string()
    .transform((text, context) => {
      const seconds = parseDuration(text);
      if (seconds !== undefined) return seconds;
      context.addIssue({ code: 'custom', message: 'is not a duration such as 90s, 15m or 1h' });
      return z.NEVER;
    })
    .exactOptional(),
});
export type JwtConfig = z.infer<typeof JwtConfig>;

/**
 * `audience`: the resource server, literally. `scope`: what is permitted there (RFC 6749 §3.3). `claims`: whatever else the
 * resource server is to know. Parameters may stand in `scope` and in the strings of `claims`.
 */
export const JwtSection = z.strictObject({
  audience: z
    .string()
    .max(1_024)
    .regex(/^[\x21-\x7e]+$/, 'must be of visible characters without spaces, such as https://tools.example'),
  scope: z.string().min(1).max(1_024).exactOptional(),
  claims: z.record(z.string(), z.json()).exactOptional(),
}) satisfies z.ZodType<JsonObject>;
export type JwtSection = z.infer<typeof JwtSection>;

/** What Writ itself says in a token, a profile may not say; and a caller picks neither the audience nor a scope's form. */
export function sectionProblems(profile: Profile) {
  const { audience, scope, claims = {} } = JwtSection.parse(profile.section);
  const problems: { path: string[]; message: string }[] = [];
  if (audience.includes('{{')) {
    problems.push({ path: ['jwt', 'audience'], message: 'is named literally: parameters cannot be part of it' });
  }
  if (scope !== undefined && !isScope(withoutReferences(scope))) {
    problems.push({ path: ['jwt', 'scope'], message: 'must be words with one space between them (RFC 6749 §3.3)' });
  }
  for (const name of Object.keys(claims).filter(isReserved)) {
    problems.push({
      path: ['jwt', 'claims', name],
      message: 'is a claim that Writ or a standard gives a meaning of its own',
    });
  }
  return problems;
}

/** Where each parameter is a word. Braces that hold something else are reported for all sections alike. */
function withoutReferences(scope: string): string {
  try {
    return fillText(scope, () => 'word');
  } catch {
    return 'word';
  }
}
