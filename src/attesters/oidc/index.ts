import { z } from 'zod';
import type { AttesterKind } from '../attester.ts';
import { groupsAt, invalid, requiredTextAt, textAt, type Claims } from '../claims.ts';
import { issuerSchema, keyLocationSchema, orDiscovery } from '../keys/location.ts';
import { algorithmsSchema, claimSchema, templateSchema } from '../schema.ts';
import { parseTemplate, type Template } from '../template.ts';
import { makeAttester } from '../workload.ts';

const config = z.strictObject({
  issuer: issuerSchema,
  jwks: keyLocationSchema.optional(),
  algorithms: algorithmsSchema(['RS256', 'ES256']),
  id: templateSchema
    .refine((text) => !isSpiffe(text), 'must not make SPIFFE ids: those are for kind spiffe')
    .default('{sub}'),
  attributes: z
    .record(z.string().regex(/^[a-z][a-z0-9_]*$/, 'must be a name in snake_case'), templateSchema)
    .default({}),
  groups: claimSchema.optional(),
});

const MAX_ID = 2_048;

/**
 * Tokens of an OpenID Connect issuer, or of anything that signs JWTs. The id is a template over claims: each claim must
 * be there, be visible text without spaces, and keep to its side of the separators. An attribute whose claim is missing
 * is left out. `typ` is absent, `JWT` or `at+jwt`: logout tokens, DPoP proofs and the like are signed with the same keys.
 */
export const oidc: AttesterKind<z.output<typeof config>> = {
  kind: 'oidc',
  config,
  create(entry, deps) {
    const { issuer, jwks, algorithms, groups } = entry.config;
    const id = parseTemplate(entry.config.id);
    const attributes = Object.entries(entry.config.attributes).map(
      ([name, text]) => [name, parseTemplate(text)] as const,
    );
    return makeAttester(entry, deps, {
      claims: ({ payload }) => payload['iss'] === issuer,
      rules: { algorithms, issuer, types: ['JWT', 'at+jwt'], issuedAtRequired: true },
      keys: deps.keys.source(orDiscovery(jwks, issuer), 'sig'),
      read: (payload) => ({
        id: renderId(id, payload),
        attributes: renderAttributes(attributes, payload),
        groups: groups === undefined ? [] : groupsAt(payload, groups),
      }),
    });
  },
};

function renderId(template: Template, claims: Claims): string {
  const id = template.render((path, separator) => {
    const text = apart(path, requiredTextAt(claims, path), separator);
    if (/\p{Z}/u.test(text)) throw invalid(`claim ${path} has a space`);
    return text;
  });
  if (id === undefined || id.length > MAX_ID || isSpiffe(id))
    throw invalid('the id is not one that this entry may give');
  return id;
}

function renderAttributes(templates: readonly (readonly [string, Template])[], claims: Claims): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [name, template] of templates) {
    const value = template.render((path, separator) => {
      const text = textAt(claims, path);
      return text === undefined ? undefined : apart(path, text, separator);
    });
    if (value !== undefined) attributes[name] = value;
  }
  return attributes;
}

/** What two claims make together must not be what two others make. */
function apart(path: string, text: string, separator: string | undefined): string {
  if (separator !== undefined && text.includes(separator)) throw invalid(`claim ${path} contains its separator`);
  return text;
}

function isSpiffe(text: string): boolean {
  return text.toLowerCase().startsWith('spiffe:');
}
