import type { ErrorRequestHandler } from 'express';
import type { Log } from '../exchange/context.ts';
import type { Context } from './context.ts';
import { problemOf } from './problem.ts';

/** The last step: every error becomes a problem document (RFC 9457), and what is our own fault is logged with its cause. */
export function answerErrors(log: Log): ErrorRequestHandler {
  return (error: unknown, _req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const locals = res.locals as Context;
    const { status, code, title, help, facts, retryAfter } = problemOf(error);
    if (status >= 500) log.warn({ request: locals.requestId, code, error }, 'a request failed');
    if (status === 401) res.set('WWW-Authenticate', `Bearer error="invalid_token"`);
    if (retryAfter !== undefined) res.set('Retry-After', String(retryAfter));
    locals['code'] = code;
    const body = {
      type: `urn:writ:problem:${code}`,
      title,
      status,
      code,
      ...(help === undefined ? {} : { detail: help }),
      ...facts,
      request_id: locals.requestId,
    };
    res.status(status).set('Cache-Control', 'no-store').type('application/problem+json').send(JSON.stringify(body));
  };
}
