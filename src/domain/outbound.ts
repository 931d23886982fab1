/**
 * The one client through which anything fetches a URL that configuration or a peer names (JWKS, bundles, webhooks).
 * It refuses private, link-local and metadata addresses after resolution and on each redirect unless the host is allowed
 * by name, and bounds size and time (CORRECTNESS, *Who may say what*).
 */
export interface OutboundRequest {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM of the only authorities to accept for this request, instead of the system's. */
  readonly ca?: string;
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** Default 1 MiB. */
  readonly maxBytes?: number;
}

export interface OutboundResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export type Outbound = (url: string, request?: OutboundRequest) => Promise<OutboundResponse>;

/** `refused_address`, `refused_scheme`, `too_large`, `timeout`, `too_many_redirects`, `unreachable`, `bad_answer`. */
export class OutboundError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OutboundError';
    this.code = code;
  }
}

/** Hosts, or `host:port`, that may be private and plain http; IPv6 literals stand in brackets. */
export function makeIsAllowed(allow: readonly string[]): (url: URL) => boolean {
  const allowed = new Set(allow.map((name) => name.toLowerCase()));
  return (url) => {
    const host = url.hostname.replace(/\.$/, '');
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    return allowed.has(host) || allowed.has(`${host}:${port}`);
  };
}
