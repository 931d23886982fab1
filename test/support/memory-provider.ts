import { randomBytes } from 'node:crypto';
import { ProviderError } from '../../src/domain/errors.ts';
import type { Revocability } from '../../src/domain/grant.ts';
import type { MintId } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { Secret } from '../../src/domain/secret.ts';
import type { Ended, Found, Minted, MintRecord, Plan, Provider } from '../../src/providers/provider.ts';

export type ProviderCall = 'mint' | 'confirm' | 'find' | 'end' | 'cleanup';

/** A provider whose server is in memory, for tests of what calls providers; what it keeps to and breaks is told from outside. */
export interface MemoryProvider extends Provider {
  /** What lives on its server. */
  readonly living: ReadonlyMap<MintId, JsonObject>;
  readonly calls: readonly { readonly call: ProviderCall; readonly mint: MintId }[];
  /** What was made ready before its intent was on record. */
  readonly readied: readonly MintId[];
  /** Which were ended or found absent: a late mint of these fails. */
  readonly finished: ReadonlySet<MintId>;
  works(credential: JsonObject): boolean;
  /** Before the server has done what is asked; may wait, and may throw: then it is not done. */
  before: (call: ProviderCall, mint: MintId, signal: AbortSignal) => Promise<void> | void;
  /** After it was done, before the answer is back. */
  after: (call: ProviderCall, mint: MintId) => Promise<void> | void;
  answers: {
    mint: (minted: Minted) => Minted;
    find: (found: Found, mint: MintRecord) => Found;
    end: (ended: Ended, mint: MintRecord) => Ended;
  };
  /** Everything as it should be again; what lives goes on. */
  recover(): void;
}

export interface MemoryProviderOptions {
  readonly name?: string;
  readonly maxTtlSeconds?: number;
  readonly revocability?: Revocability;
  /** Credentials end after so many seconds, where their grant lives longer. */
  readonly credentialSeconds?: number;
  /** Which of the optional calls it has. */
  readonly has?: readonly ('mintWhen' | 'confirm' | 'cleanup' | 'names')[];
}

export function memoryProvider(options: MemoryProviderOptions = {}): MemoryProvider {
  const { name = 'memory', revocability = { mode: 'immediate' }, has = [] } = options;
  const living = new Map<MintId, JsonObject>();
  const finished = new Set<MintId>();
  const calls: { call: ProviderCall; mint: MintId }[] = [];
  const readied: MintId[] = [];
  const honest = (): Pick<MemoryProvider, 'before' | 'after' | 'answers'> => ({
    before: () => undefined,
    after: () => undefined,
    answers: { mint: (minted) => minted, find: (found) => found, end: (ended) => ended },
  });

  async function asked<T>(call: ProviderCall, mint: MintId, signal: AbortSignal, work: () => T): Promise<T> {
    calls.push({ call, mint });
    await provider.before(call, mint, signal);
    const answer = work();
    await provider.after(call, mint);
    return answer;
  }
  const mintOf = (handle: JsonObject) => handle['login'] as MintId;
  const finish = (mint: MintId) => {
    living.delete(mint);
    finished.add(mint);
  };

  const provider: MemoryProvider = {
    ...honest(),
    name,
    kind: 'memory',
    ...(options.maxTtlSeconds === undefined ? {} : { maxTtlSeconds: options.maxTtlSeconds }),
    living,
    calls,
    readied,
    finished,
    works: (credential) => [...living.values()].some(({ password }) => password === credential['password']),
    recover: () => Object.assign(provider, honest()),

    plan(profile, parameters, { mint, now, endsAt }): Plan {
      const own = new Date(now.getTime() + (options.credentialSeconds ?? Infinity) * 1000);
      const until = own < endsAt ? own : endsAt;
      const request = { login: mint, profile: profile.name, parameters, until: until.toISOString() };
      return {
        mint,
        endsAt: until,
        revocability,
        request,
        ...(options.credentialSeconds === undefined ? {} : { short: true }),
      };
    },
    mint: async ({ mint, endsAt }, signal) => {
      const credential = await asked('mint', mint, signal, () => {
        if (finished.has(mint)) throw new ProviderError('provider_refused', { nothingLives: true });
        const made = { type: 'memory', password: randomBytes(12).toString('hex') };
        living.set(mint, made);
        return made;
      });
      return provider.answers.mint({ credential: new Secret(credential), handle: { login: mint }, expiresAt: endsAt });
    },
    ...(has.includes('mintWhen') && {
      mintWhen: async (recorded: Promise<void>, plan: Plan, signal: AbortSignal) => {
        readied.push(plan.mint);
        await recorded;
        return provider.mint(plan, signal);
      },
    }),
    find: (record, signal) =>
      asked('find', record.mint, signal, () => {
        if (living.has(record.mint))
          return provider.answers.find({ kind: 'found', handle: { login: record.mint } }, record);
        finished.add(record.mint);
        return provider.answers.find({ kind: 'absent' }, record);
      }),
    end: (record, handle, _why, signal) =>
      asked('end', record.mint, signal, () => {
        const ended = provider.answers.end({ kind: 'ended' }, record);
        if (ended.kind === 'ended') finish(mintOf(handle));
        return ended;
      }),
    ...(has.includes('confirm')
      ? { confirm: (handle, signal) => asked('confirm', mintOf(handle), signal, () => undefined) }
      : {}),
    ...(has.includes('cleanup')
      ? { cleanup: (record, signal) => asked('cleanup', record.mint, signal, () => ({ kind: 'done' })) }
      : {}),
    ...(has.includes('names') ? { names: async () => [...living.keys(), ...finished] } : {}),
    check: async () => ({ healthy: true, findings: [] }),
    close: async () => undefined,
  };
  return provider;
}
