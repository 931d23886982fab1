import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Credential, Grant, IssuedGrant, Order } from '../../src/client/index.ts';

/**
 * A broker that speaks CONTRACT's wire from memory, for tests of its clients: who may ask, what is a request's fault, and
 * how grants and orders move, a step each time they are looked at. It mints nothing: credentials are given to it.
 */
export interface FakeBroker {
  readonly url: string;
  /** Everything that was asked, in order. */
  readonly requests: readonly RecordedRequest[];
  readonly grants: Map<string, Grant>;
  readonly orders: Map<string, Order>;
  /** What `profile` gives: one credential, or what is made for each mint, counted from 1; and how long that lives. */
  offer(profile: string, credential: Credential | ((mint: number) => Credential), lives?: Lives): void;
  /** Puts a grant there as if it had been issued. */
  seed(grant: Partial<Grant> & { readonly id: string }): Grant;
  /** Answers the next request of this kind, such as `POST /v1/grants`, in this way; several are used up in order. */
  next(request: string, ...answers: readonly ScriptedAnswer[]): void;
  /** How often a revoked grant or order is looked at before it is confirmed; Infinity: never. */
  confirmAfter(looks: number): void;
  close(): Promise<void>;
}

/** Seconds. Without `credential`, credentials end with their grant. */
export interface Lives {
  readonly grant: number;
  readonly credential?: number;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON, or the text of a form. */
  readonly body: unknown;
}

/** `hang`: no answer at all; `reset`: the connection is cut. `before` runs before the answer, `body` may be raw text. */
export interface ScriptedAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly fault?: 'hang' | 'reset';
  readonly before?: () => Promise<void>;
}

/** Tokens that the fake knows. */
export const WORKLOAD_TOKEN = 'evidence.of-agent-one.signature';
export const OTHER_WORKLOAD_TOKEN = 'evidence.of-agent-two.signature';
export const OPERATOR_TOKENS = {
  platform: 'token.of-platform.signature',
  security: 'token.of-security.signature',
} as const;
const SUBJECTS: Readonly<Record<string, string>> = {
  [WORKLOAD_TOKEN]: 'spiffe://dev.local/agent/one',
  [OTHER_WORKLOAD_TOKEN]: 'spiffe://dev.local/agent/two',
};
export const TASK_ID = 't000000000000000000001';
export const FAKE_NOW = new Date('2026-11-23T12:00:00Z');
const LIVES: Lives = { grant: 900 };
const PAGE = 2;

interface Offer {
  readonly make: (mint: number) => Credential;
  readonly lives: Lives;
}

interface Reply {
  readonly status: number;
  readonly body: object | undefined;
}

class Problem extends Error {
  readonly reply: Reply;
  constructor(status: number, code: string, more: object = {}) {
    super(code);
    this.reply = { status, body: { type: 'about:blank', title: code, status, code, ...more } };
  }
}

/** Its time stands still, unless it is told the time. */
export async function startFakeBroker(now: () => Date = () => FAKE_NOW): Promise<FakeBroker> {
  const requests: RecordedRequest[] = [];
  const grants = new Map<string, Grant>();
  const orders = new Map<string, Order>();
  const offers = new Map<string, Offer>();
  /** Subject and idempotency key to the request's text and its grant. */
  const repeats = new Map<string, { readonly text: string; readonly grant: string }>();
  let mints = 0;
  const scripts = new Map<string, ScriptedAnswer[]>();
  let looks = 0;
  let looked = 0;
  let count = 0;
  let active: Readonly<Record<string, string>> = {};

  const subjectOf = (request: RecordedRequest) => {
    const subject = SUBJECTS[bearer(request)];
    if (subject === undefined) throw new Problem(401, 'evidence_invalid');
    return subject;
  };
  const operatorOf = (request: RecordedRequest, role: keyof typeof OPERATOR_TOKENS) => {
    const token = bearer(request);
    if (SUBJECTS[token] !== undefined) throw new Problem(403, 'not_an_operator');
    if (!Object.values<string>(OPERATOR_TOKENS).includes(token)) throw new Problem(401, 'evidence_invalid');
    if (token !== OPERATOR_TOKENS[role]) throw new Problem(403, 'role_missing', { roles: [role] });
  };
  const newId = () => `g${String((count += 1)).padStart(12, '0')}`;

  function seed(grant: Partial<Grant> & { readonly id: string }): Grant {
    const full: Grant = {
      state: 'active',
      task: 't000000000000000000001',
      profile: 'orders',
      provider: 'orders-db',
      subject: 'spiffe://dev.local/agent/one',
      owner: 'payments',
      environment: 'production',
      issued_at: now().toISOString(),
      expires_at: after(LIVES.grant),
      revocability: { mode: 'immediate' },
      ...grant,
    };
    grants.set(full.id, full);
    return full;
  }

  const after = (seconds: number) => new Date(now().getTime() + seconds * 1000).toISOString();

  function offerOf(profile: string): Offer {
    const offer = offers.get(profile);
    if (!offer) throw new Problem(403, 'unknown_profile', { decision: 'd000000000000000000001', profile });
    return offer;
  }

  /** One more credential of a grant, which ends no later than it. */
  function mint(grant: Grant): IssuedGrant {
    const { make, lives } = offerOf(grant.profile);
    const end = lives.credential === undefined ? grant.expires_at : after(lives.credential);
    return {
      ...grant,
      state: 'active',
      issued_at: grant.issued_at ?? now().toISOString(),
      revocability: { mode: 'immediate' },
      ttl: { seconds: lives.grant, decided_by: 'profile_default' },
      decision: { id: 'd000000000000000000001', generation: 1, policies: ['orders'] },
      ...(lives.credential !== undefined && { credential_expires_at: end < grant.expires_at ? end : grant.expires_at }),
      credential: make((mints += 1)),
    };
  }

  /** Under a key that was used, the same grant again. */
  function issue(request: RecordedRequest): Reply {
    const subject = subjectOf(request);
    const body = members(request, ['profile', 'parameters', 'ttl_seconds', 'purpose', 'task', 'on_behalf_of']);
    const profile = String(body['profile']);
    const { lives } = offerOf(profile);
    const key = request.headers['idempotency-key'];
    const repeat = `${subject} ${String(key)}`;
    const before = key === undefined ? undefined : repeats.get(repeat);
    const text = JSON.stringify(body);
    if (before && before.text !== text) throw new Problem(409, 'idempotency_key_reused');
    const earlier = before && grants.get(before.grant);
    if (earlier && isLive(earlier)) return { status: 201, body: mint(earlier) };
    if (earlier?.state === 'ending') throw new Problem(409, 'request_in_progress', { grant: earlier.id });
    const grant = seed({ id: newId(), profile, subject, expires_at: after(lives.grant) });
    if (key !== undefined) repeats.set(repeat, { text, grant: grant.id });
    return { status: 201, body: mint(grant) };
  }

  function renew(request: RecordedRequest, id: string): Reply {
    members(request, ['ttl_seconds']);
    const grant = grantOf(request, id);
    if (!isLive(grant)) throw new Problem(409, 'grant_not_active', { grant: id });
    return { status: 201, body: mint(grant) };
  }

  function isLive(grant: Grant): boolean {
    return grant.state === 'active' && Date.parse(grant.expires_at) > now().getTime();
  }

  /** One's own grant, or any of them for an operator. Looking moves what is ending along. */
  function grantOf(request: RecordedRequest, id: string): Grant {
    const grant = grants.get(id);
    const token = bearer(request);
    if (SUBJECTS[token] === undefined) operatorOf(request, 'security');
    if (!grant || (SUBJECTS[token] !== undefined && grant.subject !== SUBJECTS[token]))
      throw new Problem(404, 'not_found');
    if (grant.state !== 'ending' || ++looked < looks) return grant;
    const closed: Grant = { ...grant, state: 'revoked', closed_at: now().toISOString() };
    grants.set(id, closed);
    return closed;
  }

  function revoke(request: RecordedRequest, id: string): Reply {
    members(request, ['reason']);
    const grant = grantOf(request, id);
    if (grant.state !== 'active') return { status: 200, body: grant };
    looked = 0;
    const state = looks === 0 ? 'revoked' : 'ending';
    const ending: Grant = { ...grant, state, why: 'revocation' };
    grants.set(id, ending);
    return { status: 200, body: ending };
  }

  function list(request: RecordedRequest): Reply {
    operatorOf(request, 'security');
    const { cursor, agent, limit, ...exact } = request.query;
    const page = Math.min(Number(limit ?? PAGE), PAGE);
    const found = [...grants.values()].filter(
      (grant) =>
        (agent === undefined || grant.subject === agent) &&
        Object.entries(exact).every(([member, value]) =>
          Object.entries(grant).some(([m, v]) => m === member && v === value),
        ),
    );
    const from = Number(cursor ?? 0);
    const next = from + page < found.length ? { next_cursor: String(from + page) } : {};
    return { status: 200, body: { grants: found.slice(from, from + page), ...next } };
  }

  function createOrder(request: RecordedRequest): Reply {
    operatorOf(request, 'security');
    const body = members(request, ['selector', 'reason', 'dry_run', 'block']);
    const [kind = '', value] = Object.entries(body['selector'] as Record<string, string>)[0] ?? [];
    const member = kind === 'agent' ? 'subject' : kind;
    const hit = [...grants.values()].filter(
      (grant) => kind === 'all' || Object.entries(grant).some(([m, v]) => m === member && v === value),
    );
    const byProvider: Record<string, { matched: number; revoked: number; pending: number; stuck: number }> = {};
    for (const { provider } of hit) {
      const one = (byProvider[provider] ??= { matched: 0, revoked: 0, pending: 0, stuck: 0 });
      one.matched += 1;
      one.pending += 1;
    }
    if (body['dry_run'] === true) return { status: 200, body: { matched: hit.length, by_provider: byProvider } };
    looked = 0;
    const order: Order = {
      id: `o${String((count += 1)).padStart(21, '0')}`,
      matched: hit.length,
      state: hit.length === 0 ? 'complete' : 'sweeping',
      by_provider: byProvider,
      selector: body['selector'] as Order['selector'],
      reason: String(body['reason']),
      created_at: FAKE_NOW.toISOString(),
      created_by: { kind: 'operator', issuer: 'https://sso.example', subject: 'security' },
      lifted: false,
    };
    orders.set(order.id, order);
    return { status: 201, body: order };
  }

  function order(request: RecordedRequest, id: string): Reply {
    operatorOf(request, 'security');
    const found = orders.get(id);
    if (!found) throw new Problem(404, 'not_found');
    if (found.state !== 'complete') {
      const done = ++looked >= looks;
      const parts = Object.entries(found.by_provider).map(([provider, one]) => [
        provider,
        done ? { ...one, revoked: one.matched, pending: 0 } : one,
      ]);
      orders.set(id, { ...found, state: done ? 'complete' : 'in_progress', by_provider: Object.fromEntries(parts) });
    }
    return { status: 200, body: orders.get(id) };
  }

  function listOrders(request: RecordedRequest): Reply {
    operatorOf(request, 'security');
    const all = [...orders.values()].reverse().map(({ matched: _, state: __, by_provider: ___, ...head }) => head);
    const blocking = request.query['blocking'] === 'true';
    return { status: 200, body: { orders: blocking ? all.filter(({ lifted }) => !lifted) : all } };
  }

  function lift(request: RecordedRequest, id: string): Reply {
    operatorOf(request, 'security');
    members(request, ['reason']);
    const found = orders.get(id);
    if (!found) throw new Problem(404, 'not_found');
    if ('all' in found.selector) {
      orders.set(id, { ...found, lift_requested_at: FAKE_NOW.toISOString() });
      return { status: 202, body: orders.get(id) };
    }
    orders.set(id, { ...found, lifted: true, lifted_at: FAKE_NOW.toISOString() });
    return { status: 200, body: orders.get(id) };
  }

  function apply(request: RecordedRequest): Reply {
    operatorOf(request, 'platform');
    const body = members(request, ['files', 'dry_run']);
    const files = body['files'] as Record<string, string>;
    const broken = Object.entries(files).filter(([, text]) => text.includes('broken'));
    if (broken.length > 0) {
      const problems = broken.map(([file]) => ({ file, line: 7, message: 'is broken' }));
      throw new Problem(400, 'rules_do_not_check', { problems });
    }
    const added = Object.keys(files).filter((file) => active[file] === undefined);
    const unchanged = JSON.stringify(files) === JSON.stringify(active);
    const checked = {
      hash: 'abc123',
      difference: { added, changed: [], removed: [], summary: added.map((file) => `${file}: new`) },
      unchanged,
    };
    if (body['dry_run'] === true) return { status: 200, body: checked };
    active = files;
    const generation = { ...checked, number: 4, activated_at: FAKE_NOW.toISOString() };
    return { status: unchanged ? 200 : 201, body: generation };
  }

  /** One task, whose token is `task-token`; a part of it has `part-token`. */
  function task(request: RecordedRequest, verb: string): Reply {
    const subject = SUBJECTS[bearer(request)] ?? 'spiffe://dev.local/agent/one';
    const known = [
      'purpose',
      'on_behalf_of',
      'mode',
      'environment',
      'environments',
      'ends_at',
      'max_grants',
      'max_calls',
    ];
    const body =
      verb === 'create'
        ? members(request, [...known, 'profiles', 'tools', 'parameters', 'max_ttl_seconds'])
        : { purpose: 'close the books', mode: 'supervised', environment: 'staging' };
    const shown = {
      ...{
        id: TASK_ID,
        state: verb === 'end' ? 'ended' : 'open',
        parent: null,
        root: TASK_ID,
        hop: 0,
        trust: 'dev',
        subject,
      },
      ...{
        on_behalf_of: null,
        environments: ['staging'],
        grants_used: 1,
        max_grants: 3,
        calls_used: 0,
        max_calls: null,
      },
      ...{
        ends_at: new Date(FAKE_NOW.getTime() + 3_600_000).toISOString(),
        ended_why: verb === 'end' ? 'ended' : null,
      },
      ...body,
    };
    if (verb === 'create')
      return { status: 201, body: { ...shown, token: 'task-token', ends_at_decided_by: 'default' } };
    const part = {
      id: 't000000000000000000002',
      parent: TASK_ID,
      hop: 1,
      trust: 'dev',
      subject: 'two',
      state: shown.state,
    };
    const ended = verb === 'end' ? { ended: { tasks: 2, grants: 1, done: true } } : {};
    return { status: 200, body: { ...shown, below: [part], cut: false, ...ended } };
  }

  /** That task and its part, a page each. */
  function taskPage(request: RecordedRequest): Reply {
    const { body } = task(request, 'show');
    const { below, cut: _, ...shown } = body as { below: readonly object[]; cut: boolean };
    if (request.query['cursor'] === undefined) return { status: 200, body: { tasks: [shown], next_cursor: TASK_ID } };
    return { status: 200, body: { tasks: below.map((part) => ({ ...shown, ...part })) } };
  }

  function exchange(request: RecordedRequest): Reply {
    subjectOf(request);
    const form = new URLSearchParams(String(request.body));
    if (form.get('subject_token') !== 'task-token' || form.get('actor_token') !== bearer(request))
      return { status: 400, body: { error: 'invalid_request', error_description: 'task_token_invalid' } };
    const issued_token_type = 'urn:ietf:params:oauth:token-type:txn_token';
    const answer = { access_token: 'part-token', issued_token_type, token_type: 'N_A', expires_in: 600 };
    return { status: 200, body: { ...answer, scope: 'profile:*', task: 't000000000000000000002' } };
  }

  function oauth(request: RecordedRequest, verb: string): Reply {
    subjectOf(request);
    const token = new URLSearchParams(String(request.body)).get('token');
    if (token === null)
      return { status: 400, body: { error: 'invalid_request', error_description: 'token is missing' } };
    if (verb === 'revoke') return { status: 200, body: undefined };
    return { status: 200, body: token === 'live-token' ? { active: true, sub: 'one', exp: 1 } : { active: false } };
  }

  function route(request: RecordedRequest): Reply {
    const [, root, kind, id = '', verb = ''] = request.path.split('/').map(decodeURIComponent);
    switch (`${request.method} ${root}/${kind}${id ? '/:id' : ''}${verb ? `/${verb}` : ''}`) {
      case 'POST v1/grants':
        return issue(request);
      case 'GET v1/grants':
        return list(request);
      case 'GET v1/grants/:id':
        return { status: 200, body: grantOf(request, id) };
      case 'POST v1/grants/:id/renew':
        return renew(request, id);
      case 'POST v1/grants/:id/revoke':
        return revoke(request, id);
      case 'POST v1/tasks':
        return task(request, 'create');
      case 'GET v1/tasks':
        return taskPage(request);
      case 'GET v1/tasks/:id':
        return task(request, 'show');
      case 'POST v1/tasks/:id/end':
        return task(request, 'end');
      case 'POST oauth/token':
        return exchange(request);
      case 'POST v1/revocations':
        return createOrder(request);
      case 'GET v1/revocations':
        return listOrders(request);
      case 'GET v1/revocations/:id':
        return order(request, id);
      case 'POST v1/revocations/:id/lift':
        return lift(request, id);
      case 'POST v1/generations':
        return apply(request);
      case 'POST oauth/introspect':
      case 'POST oauth/revoke':
        return oauth(request, kind ?? '');
      case 'GET healthz/undefined':
        return { status: 200, body: { status: 'alive' } };
      case 'GET readyz/undefined':
        return { status: 200, body: { status: 'ready' } };
      default:
        throw new Problem(404, 'not_found');
    }
  }

  const server = createServer((incoming, response) => {
    void record(incoming)
      .then(async (request) => {
        requests.push(request);
        const scripted = scripts.get(`${request.method} ${request.path}`)?.shift();
        if (scripted) await answerAsTold(scripted, incoming, response);
        else answer(response, replyTo(route, request));
      })
      .catch(() => incoming.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    grants,
    orders,
    offer: (profile, credential, lives = LIVES) => {
      const make = typeof credential === 'function' ? credential : () => credential;
      offers.set(profile, { make, lives });
    },
    seed,
    next: (request, ...answers) => void scripts.set(request, [...(scripts.get(request) ?? []), ...answers]),
    confirmAfter: (after) => void (looks = after),
    close: () => closeServer(server),
  };
}

function replyTo(route: (request: RecordedRequest) => Reply, request: RecordedRequest): Reply {
  try {
    return route(request);
  } catch (error) {
    if (error instanceof Problem) return error.reply;
    throw error;
  }
}

async function record(incoming: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const url = new URL(incoming.url ?? '/', 'http://broker');
  const isJson = incoming.headers['content-type']?.startsWith('application/json') ?? false;
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: incoming.headers,
    body: isJson ? (JSON.parse(text) as unknown) : text,
  };
}

function bearer(request: RecordedRequest): string {
  const match = /^Bearer (.+)$/.exec(String(request.headers['authorization']));
  if (!match?.[1]) throw new Problem(401, 'evidence_missing');
  return match[1];
}

/** Unknown members are an error, and every one of them is told. */
function members(request: RecordedRequest, known: readonly string[]): Record<string, unknown> {
  const body = request.body as Record<string, unknown>;
  const errors = Object.keys(body)
    .filter((member) => !known.includes(member))
    .map((path) => ({ path, problem: 'is not known' }));
  if (errors.length > 0) throw new Problem(400, 'invalid_request', { errors });
  return body;
}

async function answerAsTold(told: ScriptedAnswer, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  await told.before?.();
  if (told.fault === 'hang') return;
  if (told.fault === 'reset') {
    incoming.socket.destroy();
    return;
  }
  const text = typeof told.body === 'string' ? told.body : JSON.stringify(told.body ?? {});
  response.writeHead(told.status ?? 200, { 'content-type': 'application/json', ...told.headers }).end(text);
}

function answer(response: ServerResponse, { status, body }: Reply): void {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type, 'x-request-id': 'req-1', 'cache-control': 'no-store' });
  response.end(body === undefined ? '' : JSON.stringify(body));
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
