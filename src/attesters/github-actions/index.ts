import { z } from 'zod';
import type { AttesterKind } from '../attester.ts';
import { invalid, requiredTextAt, textsAt, type Claims } from '../claims.ts';
import { issuerSchema, keyLocationSchema, orDiscovery } from '../keys/location.ts';
import { makeAttester, type Workload } from '../workload.ts';

const ids = z
  .array(
    z
      .string({ error: 'must be text: write ids in quotes' })
      .regex(/^[1-9][0-9]{0,19}$/, 'must be a numeric id, not a name'),
  )
  .min(1, 'must name an id')
  .optional();

const config = z
  .strictObject({
    repository_owner_id: ids,
    repository_id: ids,
    issuer: issuerSchema.default('https://token.actions.githubusercontent.com'),
    jwks: keyLocationSchema.optional(),
  })
  .refine(({ repository_owner_id, repository_id }) => repository_owner_id ?? repository_id, {
    message: 'needs repository_owner_id or repository_id: without them all of GitHub is admitted',
  });

/** Claims that become attributes of the same name, where they are there (docs/identity.md). */
export const GITHUB_ATTRIBUTES = [
  'repository',
  'repository_id',
  'repository_owner',
  'repository_owner_id',
  'repository_visibility',
  'ref',
  'ref_type',
  'ref_protected',
  'sha',
  'workflow_ref',
  'workflow_sha',
  'job_workflow_ref',
  'environment',
  'event_name',
  'actor',
  'actor_id',
  'run_id',
  'run_attempt',
  'runner_environment',
];

/**
 * Jobs of GitHub Actions. Names can be given up and taken by others, numeric ids cannot, so entries list ids, and the
 * workload's id is made of ids and of the workflow inside the repository, at its ref:
 * `github:<owner id>/<repository id>:.github/workflows/deploy.yml@refs/heads/main`. With the ref in it, a branch that
 * changes the workflow is another workload. `issuer` is for GitHub Enterprise.
 */
export const githubActions: AttesterKind<z.output<typeof config>> = {
  kind: 'github_actions',
  config,
  create(entry, deps) {
    const { issuer, jwks, repository_owner_id, repository_id } = entry.config;
    return makeAttester(entry, deps, {
      claims: ({ payload }) => payload['iss'] === issuer,
      rules: { algorithms: ['RS256'], issuer, types: ['JWT'], issuedAtRequired: true },
      keys: deps.keys.source(orDiscovery(jwks, issuer), 'sig'),
      read: (payload) => {
        checkListed(payload, 'repository_owner_id', repository_owner_id);
        checkListed(payload, 'repository_id', repository_id);
        return readWorkload(payload);
      },
    });
  },
};

function checkListed(claims: Claims, name: string, listed: readonly string[] | undefined): void {
  const value = claims[name];
  if (typeof value !== 'string' || !/^[0-9]+$/.test(value)) throw invalid(`claim ${name} is missing`);
  if (listed && !listed.includes(value)) throw invalid(`claim ${name} is not one of the entry's`);
}

function readWorkload(claims: Claims): Workload {
  const attributes = textsAt(claims, Object.fromEntries(GITHUB_ATTRIBUTES.map((name) => [name, name])));
  const owner = requiredTextAt(claims, 'repository_owner_id');
  const repository = requiredTextAt(claims, 'repository_id');
  return { id: `github:${owner}/${repository}:${workflow(claims)}`, attributes, groups: [] };
}

/**
 * The workflow without the repository's name. One that an organisation's rule brings in from another repository keeps
 * that name, and cannot be taken for an own one, since names of owners do not begin with a dot.
 */
function workflow(claims: Claims): string {
  const reference = requiredTextAt(claims, 'workflow_ref');
  const own = `${requiredTextAt(claims, 'repository')}/`;
  return reference.startsWith(own) ? reference.slice(own.length) : reference;
}
