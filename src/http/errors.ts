import type { ErrorRequestHandler, Response } from 'express';
import type { RefusalCode } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Log } from '../exchange/context.ts';
import type { RequestFault } from './body.ts';
import type { Context } from './context.ts';
import { PROBLEM_TYPES, problemOf } from './problem.ts';
import type { ProblemBody } from './problem.ts';

/** The last step: every error becomes a problem document (RFC 9457), and what is our own fault is logged with its cause. */
export function answerErrors(log: Log): ErrorRequestHandler {
  return answering(log, (res, problem) => sendProblem(res, problem));
}

/** The last step of an OAuth endpoint, whose errors have OAuth's form (RFC 6749 §5.2); the description is the code. */
export function answerOAuthErrors(log: Log): ErrorRequestHandler {
  return answering(log, (res, { status, code }) => {
    const error = OAUTH_CODES[status] ?? (status < 500 ? 'invalid_request' : 'server_error');
    res.status(status).json({ error, error_description: code });
  });
}

/** An answer of the token endpoint that OAuth has a word for and Writ has not (RFC 6749 §5.2, RFC 8693 §2.2.2). */
export class OAuthError extends Error {
  readonly error: 'invalid_request' | 'invalid_scope' | 'invalid_target' | 'unsupported_grant_type';
  constructor(error: OAuthError['error'], description: string) {
    super(description);
    this.name = 'OAuthError';
    this.error = error;
  }
}

/** The last step of the token endpoint, which answers 400 to all that is the caller's; the description begins with the code. */
export function answerTokenErrors(log: Log): ErrorRequestHandler {
  const others = answering(log, (res, { status, code, facts }) => {
    const known = TOKEN_CODES[code];
    const error = known ?? OAUTH_CODES[status] ?? (status < 500 ? 'invalid_request' : 'server_error');
    const said = [code, faultsIn(facts)].filter((part) => part !== '').join(': ');
    const answer = known === undefined && (status === 401 || status === 429 || status >= 500) ? status : 400;
    res.status(answer).json({ error, error_description: printable(said) });
  });
  return (error: unknown, req, res, next) => {
    if (!(error instanceof OAuthError)) {
      others(error, req, res, next);
      return;
    }
    (res.locals as Context)['code'] = error.error;
    const body = { error: error.error, error_description: printable(error.message) };
    res.set('Cache-Control', 'no-store').status(400).json(body);
  };
}

/** What a refusal of the exchange is in OAuth's words; of what is not here its status tells. */
const TOKEN_CODES: Readonly<Partial<Record<string, string>>> = {
  task_token_invalid: 'invalid_request',
  task_ended: 'invalid_request',
  wider_than_parent: 'invalid_scope',
  under_order: 'unauthorized_client',
} satisfies Partial<Record<RefusalCode, string>>;

/** What is wrong with the request, or wider than it may be, in a line. */
function faultsIn({ errors, wider }: JsonObject): string {
  const faults = Array.isArray(errors) ? (errors as readonly RequestFault[]) : [];
  const lines = faults.map(({ path, problem }) => `${path} ${problem}`);
  return [...lines, ...(Array.isArray(wider) ? [wider.join(', ')] : [])].join('; ');
}

/** RFC 6749 §5.2: neither quotes nor backslashes, nor anything beyond ASCII. */
function printable(text: string): string {
  return text
    .replace(/["\\]/g, "'")
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 1_000);
}

const OAUTH_CODES: Readonly<Record<number, string>> = {
  401: 'invalid_client',
  403: 'unauthorized_client',
  429: 'temporarily_unavailable',
  503: 'temporarily_unavailable',
};

function answering(log: Log, send: (res: Response, problem: ProblemBody) => void): ErrorRequestHandler {
  return (error: unknown, _req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const problem = problemOf(error);
    const { status, code, retryAfter } = problem;
    const locals = res.locals as Context;
    locals['code'] = code;
    if (status >= 500) log.warn({ request: locals.requestId, code, error }, 'a request failed');
    if (status === 401) res.set('WWW-Authenticate', challenge(code));
    if (retryAfter !== undefined) res.set('Retry-After', String(retryAfter));
    send(res.set('Cache-Control', 'no-store'), problem);
  };
}

/** RFC 6750 §3.1: who showed nothing is told no error. */
function challenge(code: string): string {
  return code === 'evidence_missing' ? 'Bearer' : 'Bearer error="invalid_token"';
}

export function sendProblem(res: Response, { status, code, title, help, facts }: ProblemBody): void {
  const own = {
    type: PROBLEM_TYPES[code] ?? `urn:writ:problem:${code}`,
    title,
    status,
    code,
    ...(help === undefined ? {} : { detail: help }),
  };
  const body = {
    ...own,
    ...facts,
    ...own, // again: whatever the facts say
    request_id: (res.locals as Context).requestId,
  };
  res.status(status).type('application/problem+json').send(JSON.stringify(body));
}
