import { makeDatabase } from './database.ts';
import { secondsOf } from './durations.ts';
import { answer, type Answer } from './route.ts';
import { ROUTES } from './routes.ts';
import { makeState, Refusal, type FakeState, type FakeToken } from './state.ts';

/** One request as it arrived; `path` is what stands behind `/v1/`. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
}

const NEEDS: Readonly<Record<string, readonly string[]>> = {
  GET: ['read'],
  POST: ['update', 'create'],
  PUT: ['update', 'create'],
  DELETE: ['delete'],
  LIST: ['list'],
};

/**
 * The server behind all doors: what it stores, its own time, and what it answers while nothing disturbs it.
 * @param time - where it is not one that stands still until it is moved.
 */
export function makeServer(time?: () => number) {
  let ms = Date.parse('2026-11-23T12:00:00.400Z');
  const nowMs = time ?? (() => ms);
  const database = makeDatabase();
  const namespaces = new Map<string, FakeState>([
    ['', makeState(nowMs, '')],
    ['team-a', makeState(nowMs, '.ns1a')],
  ]);
  const complaints: string[] = [];
  const root = (state: FakeState) =>
    state.add({
      parent: undefined,
      policies: ['root'],
      meta: null,
      displayName: 'root',
      path: 'auth/token/root',
      role: undefined,
      entity: '',
      type: 'service',
      creationTtl: 0,
      explicitMaxTtl: 0,
      renewable: false,
      period: 0,
      uses: 0,
      expiresMs: Infinity,
    }).id;

  const server = {
    database,
    /** Requests that this server does not know: a test that caused one has found nothing. */
    complaints,
    initialized: true,
    sealed: false,
    standby: false,
    drSecondary: false,
    cluster: '58f55b05-9518-280b-dd05-73574200c231',
    /** A namespace that there is: '' or `team-a`. */
    state(namespace = ''): FakeState {
      const state = namespaces.get(namespace);
      if (!state) throw new Error(`no namespace ${namespace}`);
      return state;
    },
    rootToken: (namespace = '') => root(server.state(namespace)),
    now: () => new Date(nowMs()),
    /** Everything up to then has come due. */
    advanceTo(instant: Date): void {
      ms = Math.max(ms, instant.getTime() + 1);
      for (const state of namespaces.values()) {
        state.expire();
        state.work();
      }
    },
    respond(request: Request): Answer {
      if (request.path === 'sys/health') return health();
      if (!server.initialized) return failed(400, 'Vault is not initialized');
      if (server.sealed) return failed(503, 'Vault is sealed');
      const state = namespaces.get(String(request.headers['x-vault-namespace'] ?? '').replaceAll(/^\/|\/$/g, ''));
      if (!state) return failed(404, 'no handler for route: route entry not found');
      try {
        return handle(state, request);
      } catch (error) {
        if (error instanceof Refusal) return failed(error.status, error.message);
        complaints.push(`${request.method} ${request.path}: ${String(error)}`);
        return failed(500, 'internal error');
      }
    },
  };

  function handle(state: FakeState, request: Request): Answer {
    state.expire();
    const { method, path, headers, body } = request;
    if (path === 'sys/wrapping/unwrap') return unwrap(state, headers);
    const route = ROUTES.find((each) => each.method === method && each.path.test(path));
    if (!route) {
      complaints.push(`${method} ${path} is not known here`);
      return failed(501, 'the fake does not know this');
    }
    const ids = (route.path.exec(path) ?? []).slice(1);
    const token = route.open ? undefined : admit(state, headers, method, path);
    const asked = { method, path, body, state, token: token as FakeToken, database };
    const given = route.handle(asked, ...ids);
    if (token && token.uses < 0) state.revoke(token);
    const wrapTtl = headers['x-vault-wrap-ttl'];
    return wrapTtl === undefined ? given : wrap(state, path, given, secondsOf(wrapTtl));
  }

  /** 403 for a token that is not known as for one that may not. */
  function admit(state: FakeState, headers: Request['headers'], method: string, path: string): FakeToken {
    const token = state.tokens.get(String(headers['x-vault-token']));
    if (!state.alive(token)) throw new Refusal(403, 'permission denied');
    if (state.entities.get(token.entity)?.disabled === true) throw new Refusal(403, 'permission denied');
    if (token.entity !== '' && !state.entities.has(token.entity)) throw new Refusal(403, 'permission denied');
    if (token.uses > 0) token.uses = token.uses === 1 ? -1 : token.uses - 1;
    const may = state.capabilities(token, path);
    const allowed = may.includes('root') || (NEEDS[method] ?? []).some((each) => may.includes(each));
    if (allowed) return token;
    if (token.uses < 0) state.revoke(token);
    throw new Refusal(403, 'permission denied');
  }

  function wrap(state: FakeState, path: string, given: Answer, ttl: number): Answer {
    const auth = given.body?.['auth'] as { accessor?: string } | null;
    const token = state.add({
      parent: undefined,
      policies: ['response-wrapping'],
      meta: null,
      displayName: '',
      path,
      role: undefined,
      entity: '',
      type: 'service',
      creationTtl: ttl,
      explicitMaxTtl: ttl,
      renewable: false,
      period: 0,
      uses: 1,
      expiresMs: nowMs() + ttl * 1000,
      ...(given.body ? { wrapped: given.body } : {}),
    });
    const creation = { creation_time: server.now().toISOString(), creation_path: path };
    const wrapped = auth?.accessor === undefined ? {} : { wrapped_accessor: auth.accessor };
    return answer({ wrap_info: { token: token.id, accessor: token.accessor, ttl, ...creation, ...wrapped } });
  }

  function unwrap(state: FakeState, headers: Request['headers']): Answer {
    const token = state.tokens.get(String(headers['x-vault-token']));
    if (!state.alive(token) || !token.wrapped) return failed(400, 'wrapping token is not valid or does not exist');
    state.revoke(token);
    return { status: 200, body: token.wrapped as Record<string, unknown> };
  }

  function health(): Answer {
    const { initialized, sealed, standby, drSecondary } = server;
    const status = !initialized ? 501 : sealed ? 503 : drSecondary ? 472 : standby ? 429 : 200;
    const body = {
      initialized,
      sealed,
      standby: standby || sealed,
      replication_performance_mode: 'disabled',
      replication_dr_mode: drSecondary ? 'secondary' : 'disabled',
      server_time_utc: Math.floor(nowMs() / 1000),
      version: '2.6.2',
      ...(sealed ? {} : { cluster_name: 'vault-cluster-58f55b05', cluster_id: server.cluster }),
    };
    return { status, body };
  }

  return server;
}

export type FakeServer = ReturnType<typeof makeServer>;

export function failed(status: number, message: string): Answer {
  return { status, body: { errors: [message] } };
}
