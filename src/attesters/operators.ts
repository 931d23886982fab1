import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { parseDuration } from '../domain/duration.ts';
import { OPERATOR_ROLES, type Operator, type OperatorRole, type Reach } from '../domain/identity.ts';
import type { AttesterStatus } from './attester.ts';
import { groupsAt, requiredTextAt, textAt, type Claims } from './claims.ts';
import { firstAccepted, judgeToken, type Judge } from './judge.ts';
import { issuerSchema, keyLocationSchema, orDiscovery } from './keys/location.ts';
import type { KeySources } from './keys/sources.ts';
import { makeMemory } from './memory.ts';
import { algorithmsSchema, claimSchema, templateSchema } from './schema.ts';
import { parseTemplate, type Template } from './template.ts';
import { parseToken } from './token.ts';

const names = z.array(z.string().min(1));
const limit = names.min(1, 'limits the role to nothing').optional();
const holdersSchema = z
  .strictObject({ groups: names.default([]), subjects: names.default([]), owners: limit, environments: limit })
  .refine(({ groups, subjects }) => groups.length + subjects.length > 0, 'names neither groups nor subjects');
type Holders = z.output<typeof holdersSchema>;
/** Who has a role; a list where some of them have it within limits that others do not have. */
const roleSchema = z.union([holdersSchema, z.array(holdersSchema).min(1, 'names nobody')]);

/** An entry of `operators.trust`: an issuer of people, and which of them have which roles. */
export const operatorTrustSchema = z.strictObject({
  issuer: issuerSchema,
  jwks: keyLocationSchema.optional(),
  /** Never the workloads' audience: whoever reads the configuration checks that. */
  audience: z.string().min(1, 'must name the audience of operators'),
  algorithms: algorithmsSchema(['RS256', 'ES256']),
  /** What people read; decides nothing. */
  display: templateSchema.default('{sub}'),
  /** The claim that names a person's groups. */
  groups: claimSchema.default('groups'),
  roles: z.partialRecord(z.enum(OPERATOR_ROLES, { error: `must be one of ${OPERATOR_ROLES.join(', ')}` }), roleSchema),
  max_age: z
    .string()
    .refine((text) => parseDuration(text) !== undefined, 'must be a duration such as 12h')
    .default('12h'),
});
export type OperatorTrust = z.output<typeof operatorTrustSchema>;

export interface OperatorsDeps {
  readonly clock: Clock;
  readonly keys: KeySources;
}

export interface Operators {
  /**
   * Whose token this is, and which roles that person has here, none perhaps.
   * @throws Refusal `evidence_*`; Fault `evidence_source_unavailable`.
   */
  authenticate(token: string, now: Date): Promise<Operator>;
  /** One for each entry, by its issuer. */
  status(): AttesterStatus[];
}

/** Tokens of people that are remembered: there are fewer of them than of workloads. */
const REMEMBERED = 1_000;

export function makeOperators(entries: readonly OperatorTrust[], { clock, keys }: OperatorsDeps): Operators {
  const trusts = entries.map((entry) => {
    const source = keys.source(orDiscovery(entry.jwks, entry.issuer), 'sig');
    const display = parseTemplate(entry.display);
    const judge: Judge<Operator, Operator> = {
      rules: {
        algorithms: entry.algorithms,
        audience: entry.audience,
        issuer: entry.issuer,
        types: ['JWT', 'at+jwt'],
        maxAge: parseDuration(entry.max_age) ?? 0,
        issuedAtRequired: true,
      },
      keys: source,
      read: (payload) => readOperator(payload, entry, display),
      value: (operator) => operator,
    };
    return { issuer: entry.issuer, source, judge };
  });
  const memory = makeMemory<Operator>(REMEMBERED);

  return {
    authenticate: (raw, now) =>
      memory(raw, now, async () => {
        const token = parseToken(raw);
        const candidates = trusts.filter(({ issuer }) => token.payload['iss'] === issuer);
        return firstAccepted(
          candidates.map(
            ({ judge }) =>
              () =>
                judgeToken(token, judge, now),
          ),
        );
      }),
    status: () =>
      trusts.map(({ issuer, source }) => ({ name: issuer, kind: 'operators', ...source.status(clock.now()) })),
  };
}

function readOperator(claims: Claims, entry: OperatorTrust, display: Template): Operator {
  const subject = requiredTextAt(claims, 'sub');
  const groups = groupsAt(claims, entry.groups);
  const holds = (rule: Holders) =>
    rule.subjects.includes(subject) || rule.groups.some((group) => groups.includes(group));
  const held = OPERATOR_ROLES.flatMap((role) => {
    const rules = [entry.roles[role] ?? []].flat().filter(holds);
    return rules.length > 0 ? [{ role, rules }] : [];
  });
  const limited = held.filter(({ rules }) => rules.every(isLimited));
  return {
    issuer: entry.issuer,
    subject,
    display: display.render((path) => textAt(claims, path)) ?? subject,
    roles: held.map(({ role }) => role),
    ...(limited.length > 0 && { reaches: reachesOf(limited) }),
  };
}

function reachesOf(
  limited: readonly { role: OperatorRole; rules: readonly Holders[] }[],
): NonNullable<Operator['reaches']> {
  return Object.fromEntries(limited.map(({ role, rules }) => [role, rules.map(reachOf)]));
}

function reachOf({ owners, environments }: Holders): Reach {
  return { ...(owners && { owners }), ...(environments && { environments }) };
}

/** Somebody who has a role without limits too has it without limits. */
function isLimited({ owners, environments }: Holders): boolean {
  return owners !== undefined || environments !== undefined;
}
