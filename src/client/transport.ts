import { deadline } from '../domain/deadline.ts';
import type { JsonObject } from '../domain/json.ts';
import { WritError } from './error.ts';
import type { TokenSource } from './credential-source.ts';
import { notWrit, problemOf } from './problem.ts';

export type Fetch = typeof globalThis.fetch;

/** Who asks: a workload with its evidence, an operator with a token of theirs, or anybody. */
export type Caller = 'workload' | 'operator' | 'anybody';

export interface Call {
  readonly as: Caller;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly json?: object;
  /** Sent as `application/x-www-form-urlencoded`, which OAuth's endpoints want. */
  readonly form?: Readonly<Record<string, string>>;
  /** A parameter of the form under which the token of whoever asks is sent once more. */
  readonly tokenAs?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Shows the task that the workload is on, or the one whose token this is. */
  readonly onTask?: true | TokenSource;
  /** Statuses beyond 2xx whose body is an answer and not a problem. */
  readonly alsoFine?: readonly number[];
  /** How much longer than usual the answer may take: it is held back on purpose. */
  readonly moreMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  /** An object, or `{}` where the answer has no body. */
  readonly body: JsonObject;
}

export interface TransportOptions {
  readonly url: string;
  readonly identityToken?: TokenSource | undefined;
  readonly operatorToken?: TokenSource | undefined;
  readonly taskToken?: TokenSource | undefined;
  readonly fetch: Fetch;
  readonly timeoutMs: number;
}

/** One request, one answer. @throws WritError for anything but a 2xx with a JSON object; nothing is tried twice. */
export type Transport = (call: Call) => Promise<Answer>;

export function makeTransport(options: TransportOptions): Transport {
  const base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
  return async (call) => {
    const url = new URL(call.path.slice(1), base);
    for (const [name, value] of Object.entries(call.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, value);
    const headers = new Headers({ accept: 'application/json, application/problem+json', ...call.headers });
    const token = await tokenOf(call.as, options);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const shown = call.onTask === true ? options.taskToken : call.onTask;
    if (shown !== undefined) headers.set('txn-token', await taskOf(shown));
    const bounded = deadline(options.timeoutMs + (call.moreMs ?? 0), call.signal);
    const init = { method: call.method, headers, redirect: 'manual', signal: bounded.signal } as RequestInit & Bounded;
    if (call.json) {
      headers.set('content-type', 'application/json');
      init.body = JSON.stringify(call.json);
    }
    if (call.form) {
      const again = call.tokenAs !== undefined && token !== undefined ? { [call.tokenAs]: token } : {};
      init.body = new URLSearchParams({ ...call.form, ...again });
    }
    return ask(options.fetch, url, init, call.alsoFine ?? []).finally(bounded.clear);
  };
}

interface Bounded {
  readonly signal: AbortSignal;
}

async function ask(fetch: Fetch, url: URL, init: RequestInit & Bounded, alsoFine: readonly number[]): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    ({ response, text } = await unlessAborted(init.signal, fetchText(fetch, url, init)));
  } catch (error) {
    throw unreachable(url, error);
  }
  const body = objectOf(text);
  if (!response.ok && !alsoFine.includes(response.status)) throw problemOf(response, body);
  if (body === undefined) throw notWrit(response.status, 'the body is not a JSON object');
  return { status: response.status, body };
}

async function fetchText(fetch: Fetch, url: URL, init: RequestInit): Promise<{ response: Response; text: string }> {
  const response = await fetch(url, init);
  return { response, text: await response.text() };
}

/** `fetch` is told of the signal too, but keeps what listens to it only as long as it is not collected as garbage. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason as Error);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}

/** A header with a forbidden character makes `fetch` quote the whole value in its error: such a token goes no further. */
async function tokenOf(caller: Caller, options: TransportOptions): Promise<string | undefined> {
  if (caller === 'anybody') return undefined;
  const source = caller === 'workload' ? options.identityToken : options.operatorToken;
  const token = typeof source === 'function' ? await source() : source;
  if (!token) {
    const code = caller === 'workload' ? 'identity_token_missing' : 'operator_token_missing';
    throw new WritError({
      status: 0,
      code,
      title: `This needs the token of ${caller === 'workload' ? 'a workload' : 'an operator'}`,
    });
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new WritError({
      status: 0,
      code: 'token_malformed',
      title: 'The token has characters that no token has',
      facts: { caller },
    });
  }
  return token;
}

async function taskOf(source: TokenSource): Promise<string> {
  const token = typeof source === 'function' ? await source() : source;
  if (!/^[\x21-\x7e]+$/.test(token)) {
    const title = 'The task token has characters that no token has';
    throw new WritError({ status: 0, code: 'token_malformed', title });
  }
  return token;
}

function objectOf(text: string): JsonObject | undefined {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the system's code and the origin, and no more: messages and causes may quote what was sent. */
function unreachable({ origin }: URL, error: unknown): WritError {
  const reason = reasonOf(error);
  const title = reason === 'timeout' ? `${origin} did not answer in time` : `${origin} cannot be reached (${reason})`;
  return new WritError({ status: 0, code: 'unreachable', title, facts: { url: origin, reason } });
}

/** By shape and not by class: what `fetch` throws may come from another realm. */
function reasonOf(error: unknown): string {
  const { name, code, cause } = membersOf(error);
  if (name === 'TimeoutError') return 'timeout';
  if (name === 'AbortError') return 'aborted';
  const systems = [code, membersOf(cause).code].find((each) => typeof each === 'string');
  return typeof systems === 'string' ? systems : 'unknown';
}

function membersOf(value: unknown): { readonly name?: unknown; readonly code?: unknown; readonly cause?: unknown } {
  return typeof value === 'object' && value !== null ? value : {};
}
