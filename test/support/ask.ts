import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export interface Question {
  /** A bearer token. */
  readonly as?: string | undefined;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  /** A body as it is, with the content type that `headers` give. */
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body where it is a JSON object, else empty. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The problem's `code`, or the OAuth error's description, which is the code. */
  readonly code: unknown;
}

/** One request on a connection of its own, over `node:http`: every header can be sent, and nothing is added. */
export type Ask = (method: string, path: string, question?: Question) => Promise<Answer>;

export function makeAsk(url: string): Ask {
  return (method, path, { as, json, form, body, headers = {} } = {}) => {
    const sent =
      json === undefined
        ? form && { text: new URLSearchParams(form).toString(), type: 'application/x-www-form-urlencoded' }
        : { text: JSON.stringify(json), type: 'application/json' };
    const payload = body ?? sent?.text;
    return new Promise((resolve, reject) => {
      const asking = request(url + path, {
        method,
        agent: false,
        headers: {
          ...(as === undefined ? {} : { authorization: `Bearer ${as}` }),
          ...(sent ? { 'content-type': sent.type } : {}),
          ...(payload === undefined ? {} : { 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      });
      asking.once('error', reject);
      asking.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('error', reject);
        response.once('end', () => resolve(answer(response.statusCode ?? 0, response.headers, text)));
      });
      asking.end(payload);
    });
  };
}

function answer(status: number, headers: IncomingHttpHeaders, text: string): Answer {
  const body = objectOf(text);
  return { status, headers, text, body, code: body['code'] ?? body['error_description'] };
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
