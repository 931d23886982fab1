import { Router } from 'express';
import type { ErrorRequestHandler } from 'express';
import { z } from 'zod';
import type { JsonObject } from '../domain/json.ts';
import type { Caller } from '../exchange/context.ts';
import { workloads } from './authenticate.ts';
import { body, formBody } from './body.ts';
import type { Step } from './context.ts';
import { workloadOf } from './context.ts';
import { noStore } from './steps.ts';
import { TOKEN_EXCHANGE } from './token-endpoint.ts';

const MAX_FORM = '16kb';

/** RFC 7662 §2.1, RFC 7009 §2.1: other parameters are ignored there, so they are here. */
export const TokenForm = z.object({
  token: z.string().min(1).max(16_384),
  token_type_hint: z.string().max(100).optional(),
});

export interface OAuthVerbs {
  readonly introspect: (caller: Caller, token: string) => Promise<JsonObject | undefined>;
  readonly revokeToken: (caller: Caller, token: string) => Promise<void>;
  readonly jwks: () => Promise<JsonObject>;
  readonly issuer: string;
}

/** OAuth endpoints keep OAuth's form, errors included. Callers authenticate with their evidence as a bearer token. */
export function oauthRouter(verbs: OAuthVerbs, asWorkload: Step, errors: ErrorRequestHandler): Router {
  const introspect = body(TokenForm, async ({ token }, _req, res) => {
    res.json((await verbs.introspect(workloadOf(res), token)) ?? { active: false });
  });

  const revoke = body(TokenForm, async ({ token }, _req, res) => {
    await verbs.revokeToken(workloadOf(res), token);
    res.status(200).end();
  });

  const metadata: Step = (_req, res) => {
    const { issuer } = verbs;
    res.json({
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      token_endpoint: `${issuer}/oauth/token`,
      token_endpoint_auth_methods_supported: ['bearer'],
      introspection_endpoint: `${issuer}/oauth/introspect`,
      introspection_endpoint_auth_methods_supported: ['bearer'],
      revocation_endpoint: `${issuer}/oauth/revoke`,
      revocation_endpoint_auth_methods_supported: ['bearer'],
      response_types_supported: [],
      grant_types_supported: [TOKEN_EXCHANGE],
    });
  };

  const jwks: Step = async (_req, res) => {
    res.set('Cache-Control', 'public, max-age=300').json(await verbs.jwks());
  };

  const router = Router();
  const form = formBody(MAX_FORM);
  router.post('/oauth/introspect', noStore, asWorkload, workloads, form, introspect, errors);
  router.post('/oauth/revoke', noStore, asWorkload, workloads, form, revoke, errors);
  router.get('/.well-known/oauth-authorization-server', metadata);
  router.get('/.well-known/jwks.json', jwks);
  return router;
}
