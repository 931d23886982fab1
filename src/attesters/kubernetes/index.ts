import { z } from 'zod';
import type { AttesterKind } from '../attester.ts';
import { invalid, requiredTextAt, textsAt, type Claims } from '../claims.ts';
import { issuerSchema, keyLocationSchema, orDiscovery, urlSchema } from '../keys/location.ts';
import { algorithmsSchema } from '../schema.ts';
import { makeAttester, type Workload } from '../workload.ts';
import { makeTokenReview } from './token-review.ts';

const config = z.strictObject({
  issuer: issuerSchema,
  jwks: keyLocationSchema.optional(),
  algorithms: algorithmsSchema(['RS256', 'ES256', 'ES384', 'ES512']),
  token_review: z
    .strictObject({ url: urlSchema, token_file: z.string().min(1), ca_file: z.string().min(1).optional() })
    .optional(),
});

const SUBJECT = /^system:serviceaccount:[a-z0-9-]{1,63}:[a-z0-9.-]{1,253}$/;

/** Attributes by the claims that they come from, where those are there (docs/identity.md). */
export const KUBERNETES_ATTRIBUTES = {
  namespace: '/kubernetes.io/namespace',
  service_account: '/kubernetes.io/serviceaccount/name',
  service_account_uid: '/kubernetes.io/serviceaccount/uid',
  pod: '/kubernetes.io/pod/name',
  pod_uid: '/kubernetes.io/pod/uid',
  node: '/kubernetes.io/node/name',
  node_uid: '/kubernetes.io/node/uid',
};

/**
 * Projected service-account tokens of one cluster, by its `issuer`. Offline, by its JWKS (given or discovered), a pod's
 * token counts until its end though the pod be deleted; `token_review` asks the cluster, which knows. With both, only
 * tokens whose signature is right are asked about. The id is the cluster's own user name,
 * `system:serviceaccount:<namespace>:<name>`. Extended tokens, which live a year, end with the entry's `max_age`.
 */
export const kubernetes: AttesterKind<z.output<typeof config>> = {
  kind: 'kubernetes',
  config,
  create(entry, deps) {
    const { issuer, jwks, algorithms, token_review } = entry.config;
    const review = token_review && makeTokenReview(token_review, deps);
    const offline = jwks !== undefined || review === undefined;
    return makeAttester(entry, deps, {
      claims: ({ payload }) => payload['iss'] === issuer,
      rules: { algorithms, issuer, types: ['JWT'], issuedAtRequired: true },
      keys: offline ? deps.keys.source(orDiscovery(jwks, issuer), 'sig') : undefined,
      read: readWorkload,
      confirm: review?.confirm,
      status: review?.status,
    });
  },
};

function readWorkload(claims: Claims): Workload {
  const id = requiredTextAt(claims, 'sub');
  const attributes = textsAt(claims, KUBERNETES_ATTRIBUTES);
  const { namespace, service_account } = attributes;
  if (!SUBJECT.test(id) || id !== `system:serviceaccount:${namespace}:${service_account}`) {
    throw invalid('sub is not the service account of the token');
  }
  return { id, attributes, groups: [] };
}
