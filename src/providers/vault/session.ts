import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import { Secret } from '../../domain/secret.ts';
import { within } from '../within.ts';
import { LoginAnswer, parse, RenewAnswer, TokenAnswer } from './answers.ts';
import type { Client } from './client.ts';
import type { Auth } from './config.ts';
import { failedWith, isForbidden, isVaultsOwn, notVaults } from './errors.ts';
import { at, atPath } from './values.ts';
import type { Wire } from './wire.ts';

const LOGIN_MS = 6_000;
/** Between two attempts to renew: many calls may find that it is due. */
const RETRY_MS = 5_000;
/** A login that ends within so long counts as over: a call takes its time. */
const MARGIN_MS = 2_000;
const FAREWELL_MS = 1_000;

/** The broker's own token: logged in when it is first needed, once for all who wait. */
export interface Session {
  /** Before anything is asked without a token: the authority is read again, as its file may have been replaced. @throws ProviderError. */
  trusting(): Promise<void>;
  /** @throws ProviderError. */
  token(signal: AbortSignal): Promise<Secret<string>>;
  /** This token was refused: the next who asks logs in again. */
  drop(token: Secret<string>): void;
  /** Whether there is another way than this token, should it be refused. */
  readonly canLogIn: boolean;
  /** Renews what is due, or logs in anew where renewing brings nothing. @throws ProviderError. */
  keep(): Promise<void>;
  /** Closes the wire too, now or, where a login is under way for longer than a farewell takes, behind this call. */
  close(): Promise<void>;
}

interface Login {
  readonly token: Secret<string>;
  readonly renewable: boolean;
  /** When it was logged in or renewed, and for how long; no life: it does not end. */
  readonly sinceMs: number;
  readonly lifeMs: number | undefined;
  /** What it was given at the beginning. */
  readonly firstLifeMs: number | undefined;
}

interface Needs {
  readonly auth: Auth;
  readonly caFile?: string | undefined;
  readonly client: Client;
  readonly wire: Wire;
  readonly clock: Clock;
  readonly readFile: (path: string) => Promise<string>;
}

/** No timer is kept: what is due is seen by whoever asks next, and `keep` asks every few seconds. */
export function makeSession({ auth, caFile, client, wire, clock, readFile }: Needs): Session {
  let login: Login | undefined;
  let loggingIn: Promise<Login> | undefined;
  let renewing: Promise<void> | undefined;
  let notBeforeMs = 0;
  let closed = false;
  const canLogIn = auth.method !== 'token';
  const nowMs = () => clock.now().getTime();

  const logIn = () =>
    (loggingIn ??= begin()
      .then((begun) => (login = begun))
      .finally(() => (loggingIn = undefined)));

  function requireOpen(): void {
    if (closed) throw new ProviderError('provider_unreachable', { nothingLives: true, facts: { finding: 'closed' } });
  }

  async function trusting(): Promise<void> {
    if (caFile !== undefined) wire.trust(await read(caFile));
  }

  async function begin(): Promise<Login> {
    const signal = AbortSignal.timeout(LOGIN_MS);
    await trusting();
    const sinceMs = nowMs();
    if (auth.method === 'token') {
      const { ttl, renewable } = parse(
        TokenAnswer,
        await granted('login', client(lookUp(auth.token), signal)),
        'login',
      ).data;
      return lasting(auth.token, renewable === true, ttl, sinceMs);
    }
    const call = {
      step: 'login',
      method: 'POST',
      path: atPath(`auth/${auth.mount}/login`),
      body: await proof(auth),
    } as const;
    const answer = parse(LoginAnswer, await granted('login', client(call, signal)), 'login').auth;
    return lasting(new Secret(answer.client_token), answer.renewable, answer.lease_duration, sinceMs);
  }

  async function proof(method: Exclude<Auth, { method: 'token' }>): Promise<JsonObject> {
    if (method.method === 'approle') {
      const secret = method.secret_id ?? new Secret(await read(method.secret_id_file));
      return { role_id: method.role_id, secret_id: secret.reveal() };
    }
    return { role: method.role, jwt: await read(method.token_file) };
  }

  /** Read again each time: such files are replaced while the process runs. */
  async function read(path: string): Promise<string> {
    try {
      return (await readFile(path)).trim();
    } catch {
      throw new ProviderError('provider_refused', {
        nothingLives: true,
        facts: { finding: 'file_unreadable', file: path },
      });
    }
  }

  async function renew(now: Login): Promise<void> {
    const call = {
      step: 'renew_self',
      method: 'POST',
      path: at`auth/token/renew-self`,
      body: {},
      token: now.token,
    } as const;
    const sinceMs = nowMs();
    const answer = client(call, AbortSignal.timeout(LOGIN_MS));
    if (isForbidden(await answer) && login === now) login = undefined;
    const reply = await granted('renew_self', answer);
    const { lease_duration } = parse(RenewAnswer, reply, 'renew_self').auth;
    const renewed = { ...lasting(now.token, true, lease_duration, sinceMs), firstLifeMs: now.firstLifeMs };
    // Near its greatest life a token gets less and less: the next time it is a login.
    const spent = renewed.lifeMs !== undefined && renewed.lifeMs * 2 < (now.firstLifeMs ?? Infinity);
    if (login === now) login = spent ? { ...renewed, renewable: false } : renewed;
  }

  const isDue = ({ sinceMs, lifeMs }: Login) => lifeMs !== undefined && nowMs() >= sinceMs + (lifeMs * 2) / 3;
  const isOver = ({ sinceMs, lifeMs }: Login) =>
    lifeMs !== undefined && nowMs() >= sinceMs + lifeMs - Math.min(MARGIN_MS, lifeMs / 10);

  async function keep(): Promise<void> {
    if (closed || !login || !isDue(login) || (!login.renewable && !canLogIn)) return;
    if (!renewing && nowMs() < notBeforeMs) return;
    notBeforeMs = nowMs() + RETRY_MS;
    renewing ??= (login.renewable ? renew(login) : logIn().then(() => undefined)).finally(() => (renewing = undefined));
    await renewing;
  }

  return {
    canLogIn,
    trusting,
    async token(signal) {
      requireOpen();
      if (!login || isOver(login)) {
        const { token } = await within(LOGIN_MS, signal, logIn());
        requireOpen();
        return token;
      }
      keep().catch(() => undefined); // it comes round again, and the token is still good
      return login.token;
    },
    drop(token) {
      if (login?.token === token) login = undefined;
    },
    keep,
    /** What was logged in, or is being, is given back; who hands in a token of their own keeps it. Nothing issued hangs on it. */
    async close() {
      closed = true;
      const last = login;
      login = undefined;
      if (!canLogIn) {
        wire.close();
        return;
      }
      const late = loggingIn?.then(giveBack, () => undefined);
      const done = Promise.all([last && giveBack(last), late]).finally(() => wire.close());
      await within(FAREWELL_MS, new AbortController().signal, done).catch(() => undefined);
    },
  };

  async function giveBack({ token }: Login): Promise<void> {
    const call = { step: 'revoke_self', method: 'POST', path: at`auth/token/revoke-self`, token } as const;
    await client(call, AbortSignal.timeout(FAREWELL_MS)).catch(() => undefined);
  }
}

/** @param seconds - 0: it does not end. */
function lasting(token: Secret<string>, renewable: boolean, seconds: number, sinceMs: number): Login {
  const lifeMs = seconds === 0 ? undefined : seconds * 1000;
  return { token, renewable, sinceMs, lifeMs, firstLifeMs: lifeMs };
}

export function lookUp(token: Secret<string>) {
  return { step: 'lookup_self', method: 'GET', path: at`auth/token/lookup-self`, token } as const;
}

/** @throws ProviderError for an answer that is none; `login_refused` for a login or token that is not accepted. */
async function granted(step: string, calling: ReturnType<Client>) {
  const reply = await calling;
  if (reply.status >= 200 && reply.status < 300) return reply;
  if (!isVaultsOwn(reply)) throw notVaults(reply, step);
  if (step === 'login' && (reply.status === 400 || reply.status === 403)) {
    const facts = { finding: 'login_refused', vault_status: reply.status };
    throw new ProviderError('provider_refused', { nothingLives: true, facts });
  }
  throw failedWith(reply, step);
}
