import { setTimeout as sleep } from 'node:timers/promises';
import { CreatePolicyVersionCommand, DeletePolicyVersionCommand, ListPolicyVersionsCommand } from '@aws-sdk/client-iam';
import type { IAMClient, PolicyVersion } from '@aws-sdk/client-iam';
import type { Clock } from '../../domain/clock.ts';
import { deadline } from '../../domain/deadline.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import { MAX_DOCUMENT_CHARS, writeDocument } from './boundary-document.ts';
import type { BoundaryReader, Observed } from './boundary-reader.ts';
import { ask } from './call.ts';
import { asProviderError } from './errors.ts';
import { denialsSize, type EndedSession } from './deny-entries.ts';
import type { Rendered } from './deny-list.ts';
import { NOTHING_DENIED, type Denials } from './denials.ts';
import type { Canary, Probe } from './probe.ts';

/** So that those who are ended together are written together. */
const DEBOUNCE_MS = 250;
const ROUND_MS = 14_000;
/** Of the five that IAM keeps, one is left free for whoever writes at the same time. */
const VERSIONS_BEFORE_WRITING = 3;
const TRIES = 4;
const READ_BACK_PAUSES_MS = [0, 100, 200, 400, 800];
/** A version that was written here may not be seen for as long; it is not written again meanwhile. */
const UNSEEN_MS = 15_000;
/** A list that says too much is cleared at leisure; and one that is right is written again, so that a right that was lost is missed. */
const PRUNE_AFTER_MS = 600_000;
const PRUNE_CHARS = 500;
const RENEW_AFTER_MS = 3_600_000;
const PROBED_VERSIONS = 64;
/** A probe that is not ready by then is done without: what is to be denied does not wait for it. */
const PREPARE_MS = 3_000;
/** As long as what a probe's canary adds, wherever it comes to stand. */
const ONE_DENIED: Denials = { ...NOTHING_DENIED, grants: ['gprobe0000000'] };

interface Round {
  readonly done: Promise<Observed>;
  maintain: boolean;
}

/** What is to be denied, by the ledger as it was at `at`. */
export interface Wanted extends Rendered {
  readonly at: Date;
  readonly sessions: readonly EndedSession[];
}

export interface BoundaryWriter {
  /**
   * Has the boundary say what the ledger says at a moment after this call, unless it does already. Whoever asks while a
   * round is under way waits for the next, and shares it. Answers what IAM shows then. @throws ProviderError.
   */
  write(): Promise<Observed>;
  /** The same, and looks after the list itself. */
  keep(): Promise<Observed>;
  /** What there was no room for, and what was denied beside it, in the last round. */
  last(): Pick<Rendered, 'left' | 'collateral'>;
  /** What was tried of a version that was written here. */
  tried(version: number): Tried | undefined;
  close(): void;
}

/** What a probe's canary has shown of a version. */
export interface Tried {
  /** `undefined`: nobody looks any more, because the next version came sooner, or because it could not be told. */
  readonly outcome: 'denied' | 'not_yet' | undefined;
  /** The last look that got through. It stays when nobody looks any more. */
  readonly through: Date | undefined;
}

export interface BoundaryWriting {
  readonly iam: IAMClient;
  readonly arn: string;
  readonly owner: string;
  readonly reader: BoundaryReader;
  readonly clock: Clock;
  /** Between two writes, in milliseconds: an IAM that is asked too often answers nobody. */
  readonly gapMs: number;
  readonly probe?: Probe;
  /** @param now - what is denied already. @param room - characters. */
  render(now: Denials, room: number): Promise<Wanted>;
  warn(code: string, facts?: JsonObject): void;
}

export function makeBoundaryWriter(writing: BoundaryWriting): BoundaryWriter {
  const { iam, arn, owner, reader, clock, render } = writing;
  const closing = new AbortController();
  const empty = writeDocument(arn, { owner, generation: 1e13 }, writing.probe ? ONE_DENIED : NOTHING_DENIED).length;
  const room = MAX_DOCUMENT_CHARS - empty;
  const tried = new Map<number, Tried>();
  let watched: { readonly version: number; readonly stop: AbortController } | undefined;
  let under: Promise<unknown> = Promise.resolve();
  let next: Round | undefined;
  let wrote: { readonly version: number; readonly at: number; readonly wanted: Wanted; seen: boolean } | undefined;
  let last: Pick<Rendered, 'left' | 'collateral'> = { left: [], collateral: 0 };

  const request = (maintain: boolean): Promise<Observed> => {
    if (next) {
      next.maintain ||= maintain;
      return next.done;
    }
    const asked: Round = { maintain, done: under.catch(ignore).then(() => round(asked)) };
    next = asked;
    under = asked.done;
    return asked.done;
  };

  async function round(asked: Round): Promise<Observed> {
    try {
      const rested = wrote ? performance.now() - wrote.at : Infinity;
      await sleep(Math.max(DEBOUNCE_MS, writing.gapMs - rested), undefined, { signal: closing.signal });
      next = undefined; // what is asked for from here on may not be in what is read now
      const bounded = deadline(ROUND_MS, closing.signal);
      return await bringUpToDate(asked.maintain, bounded.signal).finally(bounded.clear);
    } catch (error) {
      throw asProviderError(error, false);
    } finally {
      if (next === asked) next = undefined;
    }
  }

  async function bringUpToDate(maintain: boolean, signal: AbortSignal): Promise<Observed> {
    for (let attempt = 1; ; attempt++) {
      const current = await look(signal);
      requireOurs(current, owner);
      const wanted = await render(current.found.kind === 'marked' ? current.found.denials : NOTHING_DENIED, room);
      last = wanted;
      if (isInPlace(current, wanted, maintain, clock.now()) || isUnderWay(current, wanted)) return current;
      if (attempt > TRIES) return current;
      if (current.found.kind === 'altered') writing.warn('boundary_altered');
      const version = await create(wanted, signal);
      const found = version === undefined ? undefined : await readBack(version, signal);
      // What came in between was written over, and may have said more.
      const alone = found?.version === current.version + 1;
      if (found && alone && isInPlace(found, wanted, false, clock.now())) return found;
    }
  }

  async function look(signal: AbortSignal): Promise<Observed> {
    const observed = await reader.read(signal);
    if (wrote && observed.version >= wrote.version) wrote.seen = true;
    if (watched && observed.version > watched.version) watched.stop.abort();
    return observed;
  }

  /** It was written, and IAM's reads have not come to it. */
  function isUnderWay({ version }: Observed, wanted: Wanted): boolean {
    if (!wrote || wrote.seen || version >= wrote.version || performance.now() - wrote.at > UNSEEN_MS) return false;
    return covers(wrote.wanted, wanted);
  }

  /** `undefined` where others took the room in between. */
  async function create(wanted: Wanted, signal: AbortSignal): Promise<number | undefined> {
    const canary = await prepare(signal);
    const { grants } = wanted.denials;
    const denials = canary ? { ...wanted.denials, grants: [...grants, canary.grant] } : wanted.denials;
    const document = writeDocument(arn, { owner, generation: wanted.at.getTime() }, denials);
    // The SDK would ask again and again for what is refused for its size.
    if (document.length > MAX_DOCUMENT_CHARS)
      throw new RangeError('a boundary of more characters than there is room for');
    await makeRoom(signal);
    const command = new CreatePolicyVersionCommand({ PolicyArn: arn, PolicyDocument: document, SetAsDefault: true });
    const created = await ask(signal, command, (options) => iam.send(command, options)).catch((error: unknown) => {
      if (findingOf(error) === 'limit_exceeded') return undefined;
      throw error;
    });
    if (!created) return undefined;
    const version = numberOf(created.PolicyVersion);
    wrote = { version, at: performance.now(), wanted, seen: false };
    watched?.stop.abort();
    if (canary) watch(canary, version);
    if (wanted.collateral > 0) writing.warn('fence_in_place', { grants: wanted.collateral });
    return version;
  }

  async function prepare(signal: AbortSignal): Promise<Canary | undefined> {
    if (!writing.probe) return undefined;
    const bounded = deadline(PREPARE_MS, signal);
    return writing.probe.prepare(bounded.signal).finally(bounded.clear);
  }

  /** The next version has no place for this canary: what is seen of it from then on says nothing. */
  function watch(canary: Canary, version: number): void {
    const stop = new AbortController();
    watched = { version, stop };
    let through: Date | undefined;
    const note = (outcome: Tried['outcome']) => tried.set(version, { outcome, through });
    note('not_yet');
    for (const old of tried.keys()) if (old < version - PROBED_VERSIONS) tried.delete(old);
    const gotThrough = () => {
      through = clock.now();
      note('not_yet');
    };
    void canary.watch(stop.signal, gotThrough).then((denied) => note(denied ? 'denied' : undefined));
  }

  async function makeRoom(signal: AbortSignal): Promise<void> {
    const list = new ListPolicyVersionsCommand({ PolicyArn: arn });
    const { Versions: versions = [] } = await ask(signal, list, (options) => iam.send(list, options));
    const others = versions.filter(({ IsDefaultVersion }) => IsDefaultVersion !== true);
    const oldest = others.sort((a, b) => numberOf(a) - numberOf(b)).slice(0, versions.length - VERSIONS_BEFORE_WRITING);
    for (const { VersionId } of versions.length > VERSIONS_BEFORE_WRITING ? oldest : []) {
      const remove = new DeletePolicyVersionCommand({ PolicyArn: arn, VersionId });
      await ask(signal, remove, (options) => iam.send(remove, options)).catch((error: unknown) => {
        // Another writer was faster, or has made it the default.
        const { aws } = error instanceof ProviderError ? error.facts : {};
        if (aws !== 'NoSuchEntityException' && aws !== 'DeleteConflictException') throw error;
      });
    }
  }

  /** `undefined`: IAM's reads have not come to it yet. */
  async function readBack(version: number, signal: AbortSignal): Promise<Observed | undefined> {
    for (const pause of READ_BACK_PAUSES_MS) {
      await sleep(pause, undefined, { signal });
      const observed = await look(signal);
      if (observed.version >= version) return observed;
    }
    return undefined;
  }

  return {
    write: () => request(false),
    keep: () => request(true),
    last: () => last,
    tried: (version) => tried.get(version),
    close() {
      closing.abort();
      watched?.stop.abort();
    },
  };
}

/** Never somebody's own boundary: what it limits would be limited no longer. @throws ProviderError. */
function requireOurs({ found }: Observed, owner: string): void {
  if (found.kind === 'foreign') throw refusedWith({ finding: 'boundary_not_ours' });
  if ((found.kind === 'marked' || found.kind === 'altered') && found.mark.owner !== owner)
    throw refusedWith({ finding: 'boundary_of_another' });
}

function refusedWith(facts: JsonObject): ProviderError {
  return new ProviderError('provider_refused', { nothingLives: false, facts });
}

/** Whether a version of the boundary says all that is wanted, however it says it. */
function isInPlace({ found, denies }: Observed, wanted: Wanted, maintain: boolean, now: Date): boolean {
  if (found.kind !== 'marked') return false;
  const left = new Set(wanted.left);
  if (!wanted.sessions.every((session) => left.has(session) || denies(session))) return false;
  if (found.denials.fence && !wanted.denials.fence) return false;
  if (!maintain) return true;
  const age = now.getTime() - found.mark.generation;
  const tooMuch = denialsSize(found.denials) - denialsSize(wanted.denials) > PRUNE_CHARS;
  return age <= (tooMuch ? PRUNE_AFTER_MS : RENEW_AFTER_MS);
}

function covers(written: Wanted, wanted: Wanted): boolean {
  const known = new Set(written.sessions.map(({ name }) => name));
  return wanted.sessions.every(({ name }) => known.has(name));
}

function numberOf(version: PolicyVersion | undefined): number {
  const number = Number(version?.VersionId?.slice(1));
  if (Number.isInteger(number)) return number;
  throw new ProviderError('provider_answer_wrong', { nothingLives: false });
}

function findingOf(error: unknown): unknown {
  return error instanceof ProviderError ? error.facts['finding'] : undefined;
}

function ignore(): void {}
