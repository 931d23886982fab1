import { randomBytes } from 'node:crypto';
import { ProviderError } from '../../src/domain/errors.ts';
import { makeIds, type MintId } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Minted, MintRecord, MintRequest, Plan, Provider } from '../../src/providers/provider.ts';
import { failure } from '../support/failure.ts';
import type { ProviderHarness } from './harness.ts';

/** How long a call may take at most when its server does not answer: well inside the mint's deadline. */
const SLOWEST_MS = 12_000;
/** How soon a call comes back once its caller has gone. */
const ABORTED_MS = 1_000;
/** More messages than any mint has. */
const MANY_MESSAGES = 200;

/** The suite that every provider passes (CORRECTNESS, *Issue* and *Ending*). */
export function providerContract(name: string, harness: ProviderHarness): void {
  const { provider, faults } = harness;
  const ids = makeIds(randomBytes, () => harness.now().getTime());
  const forever = new AbortController().signal;

  const request = (lifeSeconds = 600): MintRequest => {
    const now = harness.now();
    return {
      mint: ids.mint(),
      grant: ids.grant(),
      task: ids.task(),
      subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/contract' },
      now,
      endsAt: new Date(now.getTime() + lifeSeconds * 1000),
    };
  };
  /** A plan as it comes back from the ledger. */
  const planned = (of: MintRequest, by: Provider = provider): Plan => {
    const plan = by.plan(harness.profile, harness.parameters, of);
    return { ...plan, request: JSON.parse(JSON.stringify(plan.request)) as JsonObject };
  };
  const record = (of: MintRequest): MintRecord => {
    const { mint, endsAt, request } = planned(of);
    return { mint, grant: of.grant, endsAt, request };
  };

  const mint = async (lifeSeconds?: number) => {
    const asked = request(lifeSeconds);
    const minted = await provider.mint(planned(asked), forever);
    await provider.confirm?.(minted.handle, forever);
    return { asked, plan: planned(asked), record: record(asked), minted, credential: minted.credential.reveal() };
  };
  /** What the reaper does with a handle: asks again until it is confirmed, or its end has passed. */
  const endFully = async (mint: MintRecord, handle: JsonObject) => {
    harness.ending?.(mint.mint);
    for (;;) {
      const ended = await provider.end(mint, handle, 'abandoned', forever);
      if (ended.kind === 'ended') return;
      await harness.pass(ended.until);
      if (ended.kind === 'not_revocable') return;
    }
  };
  /** What the reaper does with a mint whose answer was never recorded. */
  const reap = async (mint: MintRecord) => {
    harness.ending?.(mint.mint);
    for (;;) {
      const found = await provider.find(mint, forever);
      if (found.kind === 'unknowable') {
        if (found.until <= harness.now()) return found.kind; // its own end was all there was
        await harness.pass(found.until);
        continue;
      }
      if (found.kind === 'found') await endFully(mint, found.handle);
      return found.kind;
    }
  };
  const nothingIsAlive = async (mint: MintId, minted?: Minted) => {
    expect(await harness.alive(mint)).toBe(false);
    if (minted) expect(await harness.use(minted.credential.reveal())).toBe('refused');
  };
  const withProvider = async <T>(making: Promise<Provider>, work: (faulty: Provider) => Promise<T>): Promise<T> => {
    const faulty = await making;
    try {
      return await work(faulty);
    } finally {
      await faulty.close();
    }
  };

  describe(`${name}: the provider's contract`, () => {
    afterAll(() => harness.close());

    describe('plan', () => {
      test('is pure: the same question has the same answer, and the server hears nothing of it', async () => {
        const asked = request();
        const plan = planned(asked);
        expect(planned(asked)).toEqual(plan);
        expect(provider.plan(harness.profile, harness.parameters, asked).request).toEqual(plan.request);
        expect(await harness.traces(asked.mint)).toEqual([]);
      });

      test('says the mint and its absolute end, and differs for another mint', () => {
        const asked = request();
        const { mint, endsAt, short } = planned(asked);
        expect(mint).toBe(asked.mint);
        if (short) expect(endsAt.getTime()).toBeLessThanOrEqual(asked.endsAt.getTime());
        else expect(endsAt).toEqual(asked.endsAt);
        expect(planned({ ...asked, mint: ids.mint() }).request).not.toEqual(planned(asked).request);
      });
    });

    describe('mint', () => {
      test('gives a credential that works, until the planned end and no longer', async () => {
        const { minted, asked, plan, credential, record } = await mint();
        expect(minted.expiresAt).toEqual(plan.endsAt);
        expect(await harness.use(credential)).toBe('works');
        expect(await harness.alive(asked.mint)).toBe(true);
        await endFully(record, minted.handle);
      });

      test('keeps the secret out of the plan, the handle and whatever prints it', async () => {
        const { minted, record, credential } = await mint();
        const secrets = harness.secrets(credential);
        expect(secrets.length).toBeGreaterThan(0);
        const written = [JSON.stringify(record), JSON.stringify(minted), String(minted.credential)].join();
        for (const secret of secrets) expect(written).not.toContain(secret);
        await endFully(record, minted.handle);
      });

      test('gives each mint another secret', async () => {
        const [one, two] = [await mint(), await mint()];
        expect(harness.secrets(one.credential)).not.toEqual(harness.secrets(two.credential));
        for (const each of [one, two]) await endFully(each.record, each.minted.handle);
      });

      test('leaves nothing behind when the caller had gone before it began', async () => {
        const asked = request();
        const error = await failure(provider.mint(planned(asked), AbortSignal.abort()));
        expect(error).toMatchObject({ nothingLives: true });
        expect(await harness.traces(asked.mint)).toEqual([]);
      });

      test('is useless past its end without anybody’s help', async () => {
        const { plan, credential, minted, record } = await mint(harness.shortestLifeSeconds);
        expect(await harness.use(credential)).toBe('works');
        await harness.pass(plan.endsAt);
        expect(await harness.use(credential)).toBe('refused');
        await endFully(record, minted.handle);
      });
    });

    if (provider.mintWhen) {
      const mintWhen = provider.mintWhen.bind(provider);
      describe('mintWhen', () => {
        test('is not heard of before its intent is on record, and mints then', async () => {
          const [asked, intent] = [request(), promised()];
          const minting = settled(mintWhen(intent.promise, planned(asked), forever));
          // what another has meanwhile been given, this one could have been
          const other = await mint();
          expect(await harness.traces(asked.mint)).toEqual([]);
          intent.resolve();
          const { value, error } = await minting;
          expect(error).toBeUndefined();
          expect(await harness.use(value?.credential.reveal() ?? {})).toBe('works');
          await endFully(other.record, other.minted.handle);
          await endFully(record(asked), value?.handle ?? {});
        });

        test('fails where its intent does, and is never heard of', async () => {
          const [asked, intent] = [request(), promised()];
          const minting = failure(mintWhen(intent.promise, planned(asked), forever));
          intent.reject(new ProviderError('provider_refused', { nothingLives: true }));
          expect(await minting).toMatchObject({ nothingLives: true });
          const other = await mint();
          expect(await harness.traces(asked.mint)).toEqual([]);
          await endFully(other.record, other.minted.handle);
        });

        test('a caller that goes away before is let go at once', async () => {
          const [asked, intent, caller] = [request(), promised(), new AbortController()];
          const minting = failure(mintWhen(intent.promise, planned(asked), caller.signal));
          caller.abort();
          expect(await minting).toMatchObject({ nothingLives: true });
          intent.resolve();
          const other = await mint();
          expect(await harness.traces(asked.mint)).toEqual([]);
          await endFully(other.record, other.minted.handle);
        });
      });
    }

    describe('end', () => {
      test('is confirmed only when nothing works any more', async () => {
        const { record, minted, credential, asked } = await mint();
        const held = await harness.hold?.(credential);
        await endFully(record, minted.handle);
        await nothingIsAlive(asked.mint, minted);
        if (held) expect(await held.alive()).toBe(false);
        await held?.close();
      });

      test('touches no other mint', async () => {
        const one = await mint();
        // Two that nothing but time ends must not end at one time.
        if (harness.endsByItself) await harness.pass(new Date(harness.now().getTime() + 60_000));
        const other = await mint();
        await endFully(one.record, one.minted.handle);
        expect(await harness.use(one.credential)).toBe('refused');
        expect(await harness.use(other.credential)).toBe('works');
        await endFully(other.record, other.minted.handle);
      });

      test('may be asked twice, at the same time, and after the clean-up', async () => {
        const { record, minted } = await mint();
        await Promise.all([endFully(record, minted.handle), endFully(record, minted.handle)]);
        await endFully(record, minted.handle);
        await provider.cleanup?.(record, forever);
        await endFully(record, minted.handle);
        await nothingIsAlive(record.mint, minted);
      });
    });

    describe('find', () => {
      test('a mint whose answer was never recorded is found and ended, or dies by itself', async () => {
        const asked = request();
        const minted = await provider.mint(planned(asked), forever);
        const known = await reap(record(asked));
        if (harness.neverAbsent) expect(known).toBe('unknowable');
        await nothingIsAlive(asked.mint, minted);
      });

      test('absent: a late mint fails or is harmless', async () => {
        const asked = request();
        expect(await reap(record(asked))).toBe(harness.neverAbsent ? 'unknowable' : 'absent');
        if (!harness.neverAbsent) expect(await provider.find(record(asked), forever)).toEqual({ kind: 'absent' });
        const late = await settled(provider.mint(planned(asked), forever));
        if (late.error) expect(late.error).toBeInstanceOf(ProviderError);
        await nothingIsAlive(asked.mint, late.value);
      });

      if (faults.undecided) {
        const undecided = faults.undecided.bind(faults);
        test('unknowable: never absent while the server has not decided', async () => {
          const asked = request();
          const underWay = await undecided(planned(asked));
          const before = harness.now();
          const found = await provider.find(record(asked), forever);
          expect(found.kind).toBe('unknowable');
          if (found.kind === 'unknowable') expect(found.until.getTime()).toBeGreaterThan(before.getTime());
          await underWay.settle();
          await reap(record(asked));
          await nothingIsAlive(asked.mint);
        });
      }
    });

    describe('cleanup', () => {
      test('leaves nothing of an ended mint, and may be asked twice', async () => {
        const { record, minted } = await mint();
        await endFully(record, minted.handle);
        if (provider.cleanup) expect(await provider.cleanup(record, forever)).toEqual({ kind: 'done' });
        if (provider.cleanup) expect(await provider.cleanup(record, forever)).toEqual({ kind: 'done' });
        expect(await harness.traces(record.mint)).toEqual([]);
      });

      test('waits with what keeps a late mint harmless until that mint could only be useless', async () => {
        const asked = request(harness.shortestLifeSeconds);
        expect(await reap(record(asked))).toBe(harness.neverAbsent ? 'unknowable' : 'absent');
        const cleaned = await provider.cleanup?.(record(asked), forever);
        if (cleaned?.kind === 'later') expect(cleaned.until.getTime()).toBeGreaterThan(asked.endsAt.getTime());
        const late = await settled(provider.mint(planned(asked), forever));
        await nothingIsAlive(asked.mint, late.value);
      });

      if (provider.names) {
        const names = provider.names.bind(provider);
        test('names: a mint is listed as long as there is a trace of it', async () => {
          const { record, minted } = await mint();
          expect(await names(forever)).toContain(record.mint);
          await endFully(record, minted.handle);
          expect(await names(forever)).toContain(record.mint);
          await provider.cleanup?.(record, forever);
          expect(await names(forever)).not.toContain(record.mint);
        });
      }
    });

    describe('check', () => {
      test('finds no error in the set-up of this suite', async () => {
        const health = await provider.check(forever, [harness.profile]);
        expect(health.findings.filter((finding) => finding.severity === 'error')).toEqual([]);
        expect(health.healthy).toBe(true);
      });
    });

    const wire = [
      { fault: 'unreachable', making: faults.unreachable?.bind(faults), code: 'provider_unreachable' },
      { fault: 'silent', making: faults.silent?.bind(faults), code: 'provider_timeout' },
      { fault: 'refusing', making: faults.refusing?.bind(faults), code: 'provider_refused' },
      { fault: 'throttled', making: faults.throttled?.bind(faults), code: 'provider_throttled' },
    ].flatMap(({ making, ...fault }) => (making ? [{ ...fault, making }] : []));

    if (wire.length > 0) {
      describe('a server in trouble', () => {
        test.each(wire)(
          '$fault: mint fails in time with $code, and says that nothing lives',
          async ({ making, code, fault }) => {
            const asked = request();
            await withProvider(making(), async (faulty) => {
              const began = Date.now();
              const error = await failure(faulty.mint(planned(asked, faulty), forever));
              // Who never answers may have done what was asked.
              const unsure = harness.neverAbsent === true && fault === 'silent';
              expect(error).toMatchObject({ code, nothingLives: !unsure });
              expect(Date.now() - began).toBeLessThan(SLOWEST_MS);
            });
            expect(await harness.traces(asked.mint)).toEqual([]);
          },
        );

        test.each(wire)(
          '$fault: find, end and cleanup fail with $code: they never say that it is done',
          async ({ making, code }) => {
            const { record, minted } = await mint();
            await withProvider(making(), async (faulty) => {
              if (harness.endsByItself) {
                expect((await faulty.find(record, forever)).kind).toBe('unknowable');
                expect((await faulty.end(record, minted.handle, 'revocation', forever)).kind).not.toBe('ended');
                return;
              }
              const calls = [
                faulty.find(record, forever),
                faulty.end(record, minted.handle, 'revocation', forever),
                harness.tidy ? undefined : faulty.cleanup?.(record, forever),
                faulty.names?.(forever),
              ];
              for (const call of calls.flatMap((each) => (each ? [failure(each)] : []))) {
                expect(await call).toMatchObject({ code });
              }
            });
            await endFully(record, minted.handle);
          },
        );

        test.each(wire)('$fault: check says so instead of throwing', async ({ making }) => {
          await withProvider(making(), async (faulty) => {
            expect(await faulty.check(forever, [harness.profile])).toMatchObject({ healthy: false });
          });
        });

        test.each(wire)('$fault: a caller that goes away is let go at once', async ({ making }) => {
          await withProvider(making(), async (faulty) => {
            const caller = new AbortController();
            const minting = failure(faulty.mint(planned(request(), faulty), caller.signal));
            const began = Date.now();
            caller.abort();
            expect(await minting).toBeInstanceOf(ProviderError);
            expect(Date.now() - began).toBeLessThan(ABORTED_MS);
          });
        });
      });
    }

    const lies = faults.lies ?? [];
    if (lies.length > 0) {
      describe('a server that lies', () => {
        test.each([...lies])('$name: refused, and nothing lives', async (lie) => {
          const asked = request();
          await withProvider(lie.provider(), async (lied) => {
            const error = await failure(lied.mint(planned(asked, lied), forever));
            expect(error).toMatchObject({ code: 'provider_answer_wrong' });
            if (error.nothingLives) expect(await harness.traces(asked.mint)).toEqual([]);
            if (error.handle) await endFully(record(asked), error.handle);
          });
          await reap(record(asked));
          await nothingIsAlive(asked.mint);
        });
      });
    }

    if (faults.cut) {
      const cut = faults.cut.bind(faults);
      test('killed in between: whatever message is the last, nothing outlives the reaper', async () => {
        let message = 0;
        for (; message < MANY_MESSAGES; message++) {
          const asked = request();
          const { provider: cutOff, happened } = await cut(message);
          const outcome = await withProvider(Promise.resolve(cutOff), (faulty) =>
            settled(faulty.mint(planned(asked, faulty), forever)),
          );
          if (!happened()) {
            expect(outcome.error).toBeUndefined();
            await reap(record(asked));
            break;
          }
          if (outcome.error) expect(outcome.error).toBeInstanceOf(ProviderError);
          const certain = outcome.error instanceof ProviderError && outcome.error.nothingLives;
          const found = await reap(record(asked));
          if (certain && !harness.neverAbsent) expect({ message, found }).toEqual({ message, found: 'absent' });
          await nothingIsAlive(asked.mint, outcome.value);
        }
        expect(message).toBeGreaterThan(0);
        expect(message).toBeLessThan(MANY_MESSAGES);
      });
    }
  });
}

function promised() {
  let [resolve, reject]: [() => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<void>((done, fail) => ([resolve, reject] = [done, fail]));
  promise.catch(() => undefined); // whoever waits for it may not do so yet
  return { promise, resolve, reject };
}

async function settled<T>(call: Promise<T>): Promise<{ value?: T; error?: unknown }> {
  try {
    return { value: await call };
  } catch (error) {
    return { error };
  }
}
