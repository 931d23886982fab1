import { readDocument, writeDocument, MAX_DOCUMENT_CHARS } from '../../src/providers/aws/boundary-document.ts';
import { denialsSize, type EndedSession, type Living } from '../../src/providers/aws/deny-entries.ts';
import { renderDenials, type World } from '../../src/providers/aws/deny-list.ts';
import { denying, NOTHING_DENIED, type Denials } from '../../src/providers/aws/denials.ts';
import { makeContext } from '../support/aws/policy/context.ts';
import { readPolicy } from '../support/aws/policy/document.ts';
import { judgeLayer } from '../support/aws/policy/evaluate.ts';
import { seeded, type Random } from '../support/random.ts';

const BOUNDARY = 'arn:aws:iam::123456789012:policy/writ-boundary';
const MARK = { owner: '0123456789ab', generation: 1_795_608_000_000 };
const START = Date.parse('2026-11-25T12:00:00Z');
const ROOM = MAX_DOCUMENT_CHARS - writeDocument(BOUNDARY, MARK, NOTHING_DENIED).length;
/** How far AWS's clock may be off in these worlds: less than the list allows for. */
const OFF_MS = 4_000;

/** A session as AWS has it, with the truth about when it was issued. */
interface Truth extends EndedSession {
  readonly issuedAt: Date;
  readonly ended: boolean;
}

/** What IAM itself would say: the document in its own words, judged by the policy language. */
function judge(denials: Denials, document = writeDocument(BOUNDARY, MARK, denials)) {
  expect(document.length).toBeLessThanOrEqual(MAX_DOCUMENT_CHARS);
  const policy = readPolicy(document);
  return ({ grant, name, identity, role, issuedAt }: Truth): boolean => {
    const context = makeContext({
      'aws:userid': `AROAEXAMPLE:${name}`,
      'aws:PrincipalTag/writ:grant': grant === '' ? undefined : grant,
      'aws:SourceIdentity': identity,
      'aws:PrincipalArn': role,
      'aws:TokenIssueTime': `${issuedAt.toISOString().slice(0, 19)}Z`,
    });
    return (
      judgeLayer([policy], { action: 's3:GetObject', resource: 'arn:aws:s3:::inv/1', context }) === 'explicit deny'
    );
  };
}

const LETTERS = Array.from('0123456789abcdefghjkmnpqrstvwxyz');
const id = (random: Random, letter: string, chars: number) =>
  letter + Array.from({ length: chars }, () => random.pick(LETTERS)).join('');

interface Shape {
  readonly grants: number;
  readonly identities: number;
  readonly roles: number;
  /** How likely a grant is to have ended, and a session of one that goes on. */
  readonly ended: number;
  readonly fence?: boolean;
  /** All of an identity has ended or lives together: what an order does. */
  readonly byIdentity?: boolean;
}

/** Grants over the last hour, each with sessions, ended and not; and what the ledger says of them. */
function makeTruth(random: Random, shape: Shape): { sessions: Truth[]; at: Date } {
  const at = START + 3_600_000;
  const sessions: Truth[] = [];
  for (let n = 0; n < shape.grants; n++) {
    const whose = Math.floor(random.next() * shape.identities);
    const role = `arn:aws:iam::123456789012:role/r${Math.floor(random.next() * shape.roles)}`;
    const grant = id(random, 'g', 12);
    const opened = START + random.next() * 3_590_000;
    const hasIdentity = random.next() < 0.9;
    const over = shape.byIdentity ? whose / shape.identities < shape.ended : random.next() < shape.ended;
    const count = random.next() < 0.2 ? 3 : 1;
    for (let mint = 0; mint < count; mint++) {
      const openedMint = opened + (mint / count) * random.next() * Math.max(0, at - opened - 1_000);
      const answered = Math.min(openedMint + random.next() * 2_000, at + 10_000);
      const shared = random.next() < 0.3;
      sessions.push({
        grant,
        name: `writ-${grant}-${id(random, 'm', 21)}`,
        identity: hasIdentity ? `agent-${whose}.${'0'.repeat(16)}` : undefined,
        role,
        issuedBefore: new Date(answered),
        issuedAt: new Date(openedMint + random.next() * (answered - openedMint) + (random.next() * 2 - 1) * OFF_MS),
        endsAt: new Date(at + 60_000 + random.next() * 3_600_000),
        grantGoesOn: !over,
        shared,
        confirmed: false,
        ended: over || (mint < count - 1 && random.next() < 0.3),
      });
    }
  }
  return { sessions, at: new Date(at) };
}

function worldOf(sessions: readonly Truth[], at: Date, more: Partial<World> = {}): World {
  const living = sessions.filter(({ grantGoesOn }) => grantGoesOn);
  const by = (key: (truth: Truth) => string | undefined): ReadonlyMap<string, Living> => {
    const found = new Map<string, { grants: Set<string>; since: number }>();
    for (const truth of living) {
      const name = key(truth);
      if (name === undefined) continue;
      const there = found.get(name) ?? { grants: new Set(), since: Infinity };
      there.grants.add(truth.grant);
      // The grant was opened before any of its sessions was answered; two seconds is what that takes here at most.
      there.since = Math.min(there.since, truth.issuedBefore.getTime() - 2_000);
      found.set(name, there);
    }
    return new Map(
      [...found].map(([name, { grants, since }]) => [name, { grants: grants.size, since: new Date(since) }]),
    );
  };
  return {
    ended: sessions.filter(({ ended }) => ended),
    identities: by(({ identity }) => identity),
    roles: by(({ role }) => role),
    all: by(() => '').get(''),
    at,
    room: ROOM,
    fence: false,
    now: NOTHING_DENIED,
    ...more,
  };
}

const deniable = ({ ended, grantGoesOn, shared }: Truth) => ended && !(grantGoesOn && shared);

/** So many grants, each as `change` says, minted ten minutes ago; half an hour old is what `living` says. */
function over(count: number, change: (n: number) => Partial<Truth>): Truth[] {
  return Array.from({ length: count }, (_, n) => {
    const grant = `g${String(n).padStart(12, '0')}`;
    const issuedAt = new Date(START + 3_000_000);
    return {
      grant,
      name: `writ-${grant}-m${String(n).padStart(21, '0')}`,
      identity: `agent-${n}.0123456789abcdef`,
      role: ROLE,
      issuedAt,
      issuedBefore: new Date(issuedAt.getTime() + 1_000),
      endsAt: new Date(START + 7_200_000 + n),
      grantGoesOn: false,
      shared: false,
      confirmed: false,
      ended: true,
      ...change(n),
    };
  });
}
function never(): never {
  throw new Error('not there');
}
const ROLE = 'arn:aws:iam::123456789012:role/invoice-agents';
const SINCE: Living = { grants: 7, since: new Date(START + 1_800_000) };
const rendered = (ended: readonly Truth[], more: Partial<World> = {}) =>
  renderDenials({ ...worldOf(ended, new Date(START + 3_600_000)), ...more });
/** What the newest of them was issued before, with the margin, to the second. */
const BEFORE = new Date(START + 3_006_000);

describe('how coarse', () => {
  test('each by its own name, while there is room', () => {
    const ended = over(300, () => ({}));
    const { denials, left } = rendered(ended, { all: SINCE });
    expect(denials).toEqual({ ...NOTHING_DENIED, grants: ended.map(({ grant }) => grant) });
    expect(left).toEqual([]);
  });

  test('an identity, where the names have none and nothing older of it lives', () => {
    const ended = over(500, () => ({ identity: 'a.0123456789abcdef' }));
    const { denials, left } = rendered(ended, { all: SINCE, roles: new Map([[ROLE, SINCE]]) });
    expect(denials).toEqual({ ...NOTHING_DENIED, identities: [{ names: ['a.0123456789abcdef'], before: BEFORE }] });
    expect(left).toEqual([]);
  });

  test('of identities no more than it takes', () => {
    const ended = over(400, (n) => ({ identity: `${n % 8}.0123456789abcdef` }));
    const { denials } = rendered(ended, { all: SINCE });
    expect(denials.identities.map(({ names }) => names.length)).toEqual([2]);
    expect(denials.grants).toHaveLength(300);
  });

  test('a role, where the identities live', () => {
    const ended = over(500, () => ({}));
    const identities = new Map(ended.map(({ identity }) => [identity ?? '', SINCE]));
    const { denials, left } = rendered(ended, { all: SINCE, identities });
    expect(denials).toEqual({ ...NOTHING_DENIED, roles: [{ names: [ROLE], before: BEFORE }] });
    expect(left).toEqual([]);
  });

  test.each([
    ['roles', (n: number) => ({ role: `${ROLE}-${n}` }), 'identities'],
    ['identities', (n: number) => ({ identity: `${n}.0123456789abcdef` }), 'roles'],
    ['identities, or had none', (n: number) => ({ identity: n === 1 ? undefined : 'b.0123456789abcdef' }), 'roles'],
  ])('a grant whose sessions are of several %s is denied by what all of them share', (_name, change, lives) => {
    const ended = over(500, () => ({ identity: 'a.0123456789abcdef' }));
    const [last = never()] = ended.slice(-1);
    const mixed = [1, 2].map((n): Truth => ({ ...last, name: `${last.name}-${n}`, ...change(n) }));
    const living = new Map([[lives === 'roles' ? ROLE : 'a.0123456789abcdef', SINCE]]);
    const { denials, left } = rendered([...ended, ...mixed], { all: SINCE, [lives]: living });
    expect(left).toEqual([]);
    expect([...ended, ...mixed].filter((session) => !judge(denials)(session))).toEqual([]);
  });

  test('everything of ours, where nothing of it lives', () => {
    const ended = over(500, (n) => ({ role: `${ROLE}-${n}` }));
    const { denials, left, collateral } = rendered(ended);
    expect(denials).toEqual({ ...NOTHING_DENIED, fence: BEFORE });
    expect([left, collateral]).toEqual([[], 0]);
  });

  test('what lives only from later on does not stand in the way', () => {
    const ended = over(500, (n) => ({ role: `${ROLE}-${n}` }));
    const all = { grants: 7, since: new Date(BEFORE.getTime() + 5_000) };
    expect(rendered(ended, { all }).denials.fence).toEqual(BEFORE);
    const sooner = { grants: 7, since: new Date(BEFORE.getTime() + 4_999) };
    expect(rendered(ended, { all: sooner }).denials.fence).toBeUndefined();
  });

  test('as many by name as have room, where all of it lives: those that were confirmed, then those that live longest', () => {
    const ended = over(500, (n) => ({ role: `${ROLE}-${n}`, confirmed: n < 10 }));
    const identities = new Map(ended.map(({ identity }) => [identity ?? '', SINCE]));
    const { denials, left } = rendered(ended, { all: SINCE, identities });
    const names = ended.map(({ grant }) => grant);
    expect(denials.grants.slice(0, 10).sort()).toEqual(names.slice(0, 10));
    expect(denials.grants.slice(10)).toEqual(names.slice(-(denials.grants.length - 10)).reverse());
    expect(denials.grants.length + left.length).toBe(500);
    expect(denialsSize(denials)).toBeLessThanOrEqual(ROOM);
  });

  test('everything that was issued before, where that was asked for, and as little of that as can be', () => {
    const ended = over(500, (n) => ({ role: `${ROLE}-${n}`, issuedBefore: new Date(START + 3_000_000 + n * 1_000) }));
    const identities = new Map(ended.map(({ identity }) => [identity ?? '', SINCE]));
    const { denials, left, collateral } = rendered(ended, { all: SINCE, identities, fence: true });
    expect([left, collateral]).toEqual([[], 7]);
    const byName = denials.grants.length;
    expect(byName).toBeGreaterThan(300);
    expect(denials.fence).toEqual(new Date(START + 3_000_000 + (499 - byName) * 1_000 + 5_000));
  });
});

const SHAPES: readonly (Shape & { name: string })[] = [
  { name: 'a quiet day', grants: 50, identities: 10, roles: 3, ended: 0.1 },
  { name: 'nobody', grants: 0, identities: 1, roles: 1, ended: 1 },
  { name: 'more than has room, mixed among what lives', grants: 1_500, identities: 20, roles: 3, ended: 0.5 },
  { name: 'an order for agents', grants: 4_000, identities: 40, roles: 4, ended: 0.5, byIdentity: true },
  {
    name: 'an order for more agents than have room',
    grants: 4_000,
    identities: 900,
    roles: 2,
    ended: 0.8,
    byIdentity: true,
  },
  { name: 'an order for everything', grants: 3_000, identities: 500, roles: 3, ended: 1 },
  { name: 'the same with a fence', grants: 1_500, identities: 20, roles: 3, ended: 0.5, fence: true },
];

describe.each(SHAPES)('$name', (shape) => {
  const cases = Array.from({ length: 3 }, (_, n) => {
    const random = seeded(n + 1);
    return { random, ...makeTruth(random, shape) };
  });

  test('what is said to be denied is denied, as IAM reads it', () => {
    for (const { sessions, at } of cases) {
      const { denials, left } = renderDenials(worldOf(sessions, at, { fence: shape.fence === true }));
      const denied = judge(denials);
      const open = new Set(left.map(({ name }) => name));
      const missed = sessions.filter((truth) => deniable(truth) && !open.has(truth.name) && !denied(truth));
      expect(missed).toEqual([]);
    }
  });

  test('nothing else is denied: what lives, what comes, and what is not ours', () => {
    for (const { sessions, at, random } of cases) {
      const { denials, collateral } = renderDenials(worldOf(sessions, at, { fence: shape.fence === true }));
      const denied = judge(denials);
      const lives = sessions.filter(({ ended }) => !ended);
      const coming = sessions.slice(0, 200).map((truth) => ({
        ...truth,
        grant: id(random, 'g', 12),
        name: 'writ-new',
        issuedAt: new Date(at.getTime() - OFF_MS),
      }));
      const others = sessions
        .slice(0, 200)
        .map((truth) => ({ ...truth, grant: '', name: 'somebody', identity: 'somebody' }));
      const touched = lives.filter(denied);
      expect([...coming, ...others].filter(denied)).toEqual([]);
      if (collateral === 0) expect(touched).toEqual([]);
      else expect(new Set(touched.map(({ grant }) => grant)).size).toBeLessThanOrEqual(collateral);
    }
  });

  test('a document is read as it was written, and is as long as it was taken for', () => {
    for (const { sessions, at } of cases) {
      const { denials } = renderDenials(worldOf(sessions, at, { fence: shape.fence === true }));
      const document = writeDocument(BOUNDARY, MARK, denials);
      expect(document.length).toBe(MAX_DOCUMENT_CHARS - ROOM + denialsSize(denials));
      expect(readDocument(BOUNDARY, JSON.parse(document) as never)).toEqual({ kind: 'marked', mark: MARK, denials });
    }
  });

  test('what was confirmed stays denied, whatever ends and begins after it', () => {
    for (const { sessions, at, random } of cases) {
      let all = sessions;
      let now = at;
      let { denials } = renderDenials(worldOf(all, now));
      for (let round = 0; round < 3; round++) {
        const denied = denying(denials);
        now = new Date(now.getTime() + 20_000);
        const later = makeTruth(random, { ...shape, grants: Math.ceil(shape.grants / 4) });
        const shift = now.getTime() - later.at.getTime() - 10_000;
        const fresh = later.sessions.map((truth) => ({
          ...truth,
          // Those that began since the last round: nobody knew of them.
          issuedAt: new Date(now.getTime() - 15_000 + random.next() * 10_000),
          issuedBefore: new Date(now.getTime() - 4_000 + random.next() * 1_000),
          endsAt: new Date(truth.endsAt.getTime() + shift),
        }));
        const over = new Set(all.filter(() => random.next() < 0.1).map(({ grant }) => grant));
        all = all.map((truth) => ({
          ...truth,
          confirmed: truth.confirmed || (deniable(truth) && denied(truth)),
          ended: truth.ended || over.has(truth.grant),
          grantGoesOn: truth.grantGoesOn && !over.has(truth.grant),
        }));
        all = [...all, ...fresh].filter(({ endsAt }) => endsAt > now);
        ({ denials } = renderDenials(worldOf(all, now, { now: denials })));
        const judged = judge(denials);
        expect(all.filter((truth) => truth.confirmed && !judged(truth))).toEqual([]);
        if (!shape.fence) expect(all.filter((truth) => !truth.ended && judged(truth))).toEqual([]);
      }
    }
  });
});

test.each([
  ['an identity', (before: Date) => ({ identities: [{ names: ['agent-1.0123456789abcdef'], before }] })],
  ['a role', (before: Date) => ({ roles: [{ names: [ROLE], before }] })],
  ['a fence', (before: Date) => ({ fence: before })],
])('by %s a session counts as denied only where no clock could save it', (_name, denialsOf) => {
  const [session] = over(1, () => ({ identity: 'agent-1.0123456789abcdef' })) as [Truth];
  const counts = (ms: number) =>
    denying({ ...NOTHING_DENIED, ...denialsOf(new Date(session.issuedBefore.getTime() + ms)) })(session);
  expect([counts(0), counts(4_999), counts(5_000)]).toEqual([false, false, true]);
});
