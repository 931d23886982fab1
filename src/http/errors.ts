import type { ErrorRequestHandler, Response } from 'express';
import type { Log } from '../exchange/context.ts';
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
  const body = {
    type: PROBLEM_TYPES[code] ?? `urn:writ:problem:${code}`,
    title,
    status,
    code,
    ...(help === undefined ? {} : { detail: help }),
    ...facts,
    request_id: (res.locals as Context).requestId,
  };
  res.status(status).type('application/problem+json').send(JSON.stringify(body));
}
