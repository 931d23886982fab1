import type { Json, JsonObject } from '../domain/json.ts';
import { WritError, type RequestFault, type WritErrorFields } from './error.ts';

const KNOWN = new Set([
  'type',
  'title',
  'status',
  'detail',
  'instance',
  'code',
  'errors',
  'request_id',
  'error',
  'error_description',
]);

/**
 * The error that an answer beyond 2xx stands for: an RFC 9457 problem with a `code`, an OAuth error (RFC 6749 §5.2), or
 * something that is not Writ's at all, whose body is not repeated.
 */
export function problemOf(response: Response, body: JsonObject | undefined): WritError {
  const code = text(body?.['code']) ?? text(body?.['error']);
  const requestId = text(body?.['request_id']) ?? response.headers.get('x-request-id') ?? undefined;
  const common = { status: response.status, ...(requestId !== undefined && { requestId }) };
  if (body === undefined || code === undefined) {
    return notWrit(response.status, `status ${response.status} without a problem's code`);
  }
  const detail = text(body['detail']) ?? text(body['error_description']);
  const errors = faultsOf(body['errors']);
  const fields: WritErrorFields = {
    ...common,
    code,
    title: text(body['title']) ?? code,
    facts: { ...factsOf(body), ...retryAfter(response) },
    ...(detail !== undefined && { detail }),
    ...(errors !== undefined && { errors }),
  };
  return new WritError(fields);
}

/** An answer that is not Writ's: a proxy's page, a redirect, another server. */
export function notWrit(status: number, reason: string): WritError {
  const title = `This is not an answer of Writ: ${reason}`;
  return new WritError({ status, code: 'unexpected_answer', title, facts: { reason } });
}

function factsOf(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([member]) => !KNOWN.has(member)));
}

function retryAfter(response: Response): JsonObject {
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return Number.isFinite(seconds) ? { retry_after_seconds: seconds } : {};
}

function faultsOf(value: Json | undefined): readonly RequestFault[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return (value as readonly Json[]).map((each) => {
    const fault = typeof each === 'object' && each !== null && !Array.isArray(each) ? (each as JsonObject) : {};
    return { path: text(fault['path']) ?? '', problem: text(fault['problem']) ?? '' };
  });
}

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
