import { randomUUID } from 'node:crypto';
import { Fault } from '../domain/errors.ts';
import type { Log } from '../exchange/context.ts';
import type { Step } from './context.ts';
import { sendProblem } from './errors.ts';

const REQUEST_ID = /^[\w.:-]{1,64}$/;
/** What can stand in a header. */
const ECHOED = /^[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?$/;

/** Gives each request its id (a fitting `X-Request-ID` of the caller is kept) and notes where it comes from. */
export const identifyRequest: Step = (req, res, next) => {
  const given = req.headers['x-request-id'];
  res.locals.requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
  res.locals.origin = req.ip ?? null;
  res.set('X-Request-ID', res.locals.requestId);
  next();
};

/** Gives back the caller's own request id whatever it looks like, as AuthZEN asks; the log keeps to what `identifyRequest` took. */
export const echoRequestId: Step = (req, res, next) => {
  const given = req.headers['x-request-id'];
  if (typeof given === 'string' && ECHOED.test(given)) res.set('X-Request-ID', given);
  next();
};

export const noStore: Step = (_req, res, next) => {
  res.set('Cache-Control', 'no-store');
  next();
};

/** One line a request, with the route's pattern and never its query or body. */
export function logRequests(
  log: Log,
  observe: (route: string, method: string, status: number, seconds: number) => void,
): Step {
  return (req, res, next) => {
    const start = process.hrtime.bigint();
    res.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      const matched = req.route as { path?: unknown } | undefined;
      const route = typeof matched?.path === 'string' ? matched.path : 'none';
      observe(route, req.method, res.statusCode, seconds);
      const { requestId, principal } = res.locals;
      const who = principal?.kind === 'workload' ? principal.identity.id : principal?.operator.subject;
      const ms = Math.round(seconds * 1e5) / 100;
      const code = res.locals['code'];
      const aborted = res.writableFinished ? {} : { aborted: true };
      log.info(
        { request: requestId, method: req.method, route, status: res.statusCode, code, ms, who, ...aborted },
        'request',
      );
    });
    next();
  };
}

/** After shutdown began a connection that is kept alive ends with its next answer, whichever that is. */
export function endConnectionsWhileClosing(closing: () => boolean): Step {
  return (_req, res, next) => {
    if (closing()) res.set('Connection', 'close');
    next();
  };
}

/** After shutdown began nothing new is started, on kept-alive connections either. */
export function refuseWhileClosing(closing: () => boolean): Step {
  return (_req, _res, next) => {
    if (closing()) throw new Fault('shutting_down');
    next();
  };
}

/** The embedded default answers only to its own names: a page in a browser must not reach it by another (DNS rebinding). */
export function onlyHosts(hosts: ReadonlySet<string>): Step {
  return (req, res, next) => {
    if (hosts.has((req.headers.host ?? '').toLowerCase())) {
      next();
      return;
    }
    sendProblem(res, { status: 421, code: 'misdirected_request', title: 'Not this host', facts: {} });
  };
}
