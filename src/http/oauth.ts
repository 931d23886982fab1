import express, { Router } from 'express';
import type { ErrorRequestHandler } from 'express';
import { z } from 'zod';
import type { Identity } from '../domain/identity.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Caller } from '../exchange/context.ts';
import { workloads } from './authenticate.ts';
import { body } from './body.ts';
import type { Step } from './context.ts';
import { workloadOf } from './context.ts';
import { problemOf } from './problem.ts';
import { noStore } from './steps.ts';

const MAX_FORM = '16kb';

/** RFC 7662 §2.1, RFC 7009 §2.1: other parameters are ignored there, so they are here. */
export const TokenForm = z.object({
  token: z.string().min(1).max(16_384),
  token_type_hint: z.string().max(100).optional(),
});

export interface OAuthVerbs {
  readonly introspect: (asking: Identity, token: string) => Promise<JsonObject | undefined>;
  readonly revokeToken: (caller: Caller, token: string) => Promise<void>;
  readonly jwks: () => Promise<JsonObject>;
  readonly issuer: string;
}

/** OAuth endpoints keep OAuth's form, errors included. Callers authenticate with their evidence as a bearer token. */
export function oauthRouter(verbs: OAuthVerbs, asWorkload: Step): Router {
  const introspect = body(TokenForm, async ({ token }, _req, res) => {
    res.json((await verbs.introspect(workloadOf(res).identity, token)) ?? { active: false });
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
      introspection_endpoint: `${issuer}/oauth/introspect`,
      introspection_endpoint_auth_methods_supported: ['bearer'],
      revocation_endpoint: `${issuer}/oauth/revoke`,
      revocation_endpoint_auth_methods_supported: ['bearer'],
      response_types_supported: [],
      grant_types_supported: [],
    });
  };

  const jwks: Step = async (_req, res) => {
    res.set('Cache-Control', 'public, max-age=300').json(await verbs.jwks());
  };

  const router = Router();
  const form = express.urlencoded({ extended: false, limit: MAX_FORM });
  router.post('/oauth/introspect', noStore, asWorkload, workloads, form, introspect, oauthErrors);
  router.post('/oauth/revoke', noStore, asWorkload, workloads, form, revoke, oauthErrors);
  router.get('/.well-known/oauth-authorization-server', metadata);
  router.get('/.well-known/jwks.json', jwks);
  return router;
}

const OAUTH_CODES: Readonly<Record<number, string>> = {
  400: 'invalid_request',
  401: 'invalid_client',
  403: 'unauthorized_client',
  429: 'temporarily_unavailable',
  503: 'temporarily_unavailable',
};

const oauthErrors: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  if (res.headersSent) {
    next(error);
    return;
  }
  const { status, code } = problemOf(error);
  if (status === 401) res.set('WWW-Authenticate', 'Bearer error="invalid_token"');
  res
    .status(status)
    .set('Cache-Control', 'no-store')
    .json({ error: OAUTH_CODES[status] ?? 'server_error', error_description: code });
};
