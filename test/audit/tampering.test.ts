import { generateKeyPairSync, sign } from 'node:crypto';
import type pg from 'pg';
import { checkpointText, readCheckpoint } from '../../src/audit/checkpoint.ts';
import type { SignedCheckpoint } from '../../src/audit/checkpoint.ts';
import { makeCheckpointer } from '../../src/audit/checkpointer.ts';
import { leafHash } from '../../src/audit/merkle.ts';
import { formatNote, formatNoteKey, makeNoteKey } from '../../src/audit/note.ts';
import type { NoteKey } from '../../src/audit/note.ts';
import { makeSealer } from '../../src/audit/sealer.ts';
import { growFrom } from '../../src/audit/tree.ts';
import { verifyLedger } from '../../src/audit/verify.ts';
import { verificationReads } from '../../src/ledger/verification.ts';
import { callRecord, recordCalls } from '../ledger/calling.ts';
import { answered, ended as endedException, inForce, requested, reviewed } from '../ledger/excepting.ts';
import { makeWorld, OPERATOR, SECOND_OPERATOR } from '../ledger/world.ts';
import type { World } from '../ledger/world.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';

/**
 * Every way in which somebody with all rights in the database could change the record behind the program's back. Each is done as a
 * superuser past all triggers, looked at by `verifyLedger` in the same transaction, and undone.
 */
const ORIGIN = 'writ.example/log';
const makeSigner = () => {
  const pair = generateKeyPairSync('ed25519');
  const key = makeNoteKey(ORIGIN, Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
  return { key, sign: (text: Uint8Array) => sign(null, text, pair.privateKey) };
};
const signer = makeSigner();
const stranger = makeSigner();

let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: World;
let client: pg.PoolClient;
let kept: SignedCheckpoint;
/** What is found although nothing was changed: tests ask people about something else than they say. */
let before: ReadonlySet<string>;
let ids: Readonly<Record<string, string>>;

beforeAll(async () => {
  server = await startLedgerServer();
  world = await makeWorld({ server });
  const seal = makeSealer(world.ledger.sealing);
  const checkpointer = makeCheckpointer(
    world.ledger.sealing,
    { key: async () => signer.key, sign: async (text) => signer.sign(text) },
    ORIGIN,
  );
  const sealed = async () => checkpointer.sign((await seal(false)).head);

  const live = await world.live();
  await sealed();
  const revoked = await world.live();
  await world.renew(revoked);
  await world.revoke(revoked);
  await sealed();
  for (const { mint, epoch } of await world.ledger.reaping.claim({
    grant: revoked.grant,
    owner: 'x',
    limit: 9,
    lease_seconds: 30,
  })) {
    await world.ledger.reaping.close(mint, epoch, 'ended', false);
  }
  const denied = world.decision({ outcome: 'deny', code: 'policy_denied' });
  await world.ledger.issuing.recordDecision(denied);
  const order = await world.order({ kind: 'agent', value: 'nobody' });
  await world.ledger.reaping.sweep(order, 10);
  const task = await world.task({ max_grants: 5 });
  const child = await world.task({ parent: task, max_grants: 2 }, { subject: 'spiffe://dev.local/agent/two' });
  await sealed();
  const ended = await world.task();
  await world.endTask(ended);
  const waiting = await world.pending({ task });
  await world.answer(waiting, 'approve', SECOND_OPERATOR);
  const refused = await world.pending();
  await world.answer(refused, 'deny', SECOND_OPERATOR);
  const renewed = await world.live();
  const { mint } = await world.renew(renewed);
  const called = callRecord({ askedBy: { trust: 'mesh', id: 'gateway' }, arguments: '{"amount":500}' });
  const turned = callRecord({ outcome: 'deny', code: 'policy_denied' });
  await recordCalls(world, [called, turned]);
  const gateway = { kind: 'workload', trust: 'mesh', id: 'gateway' } as const;
  const outcome = { status: 'failed', detail: 'timeout', happened_at: '2026-11-23T12:00:00.000Z' } as const;
  await world.ledger.calls.reportOutcome({ decision: called.id, actor: gateway, origin: null, ...outcome });
  const excepted = await inForce(world);
  await reviewed(world, excepted);
  await endedException(world, excepted);
  const wished = await requested(world);
  await expect(answered(world, wished, 'approve', OPERATOR)).rejects.toMatchObject({ code: 'own_request' });
  await sealed();
  await world.ledger.issuing.recordDecision(world.decision({ outcome: 'deny', code: 'policy_denied' })); // and is not sealed

  const newest = await world.ledger.sealing.newestCheckpoint();
  const checkpoint = readCheckpoint(newest?.note ?? '');
  if (!checkpoint) throw new Error('there is no checkpoint');
  kept = checkpoint;
  ids = {
    live: live.grant,
    revoked: revoked.grant,
    renewed: renewed.grant,
    mint,
    denied: denied.id,
    called: called.id,
    turned: turned.id,
    excepted,
    wished,
    order,
    task,
    child,
    ended,
    waiting: waiting.approval,
    refused: refused.approval,
  };
  client = await world.database.pool.connect();
  await client.query(`set timezone to 'UTC'`);
  before = new Set(await verify([signer.key]));
});
afterAll(async () => {
  client.release();
  await world.close();
  await server.stop();
});

async function verify(keys: readonly NoteKey[], checkpoints: readonly SignedCheckpoint[] = []): Promise<string[]> {
  const options = { keys, kept: checkpoints, onProgress: () => undefined };
  const { findings } = await verifyLedger(verificationReads(client), options);
  return findings.map(({ code, about, message }) => `${code} ${about}: ${message}`);
}

/** What is found after the change, beside what was found before it. */
async function afterwards(
  change: string | (() => Promise<void>),
  {
    keys = [signer.key],
    checkpoints = [],
  }: { keys?: readonly NoteKey[]; checkpoints?: readonly SignedCheckpoint[] } = {},
): Promise<string[]> {
  await client.query('begin');
  try {
    await client.query('set local session_replication_role = replica');
    if (typeof change === 'string') await client.query(named(change));
    else await change();
    return (await verify(keys, checkpoints)).filter((line) => !before.has(line));
  } finally {
    await client.query('rollback');
  }
}

/** `:live` stands for the id of that name. */
const named = (sql: string) => sql.replaceAll(/:([a-z]+)\b/g, (_, name: string) => `'${ids[name] ?? fail(name)}'`);
function fail(name: string): never {
  throw new Error(`no ${name}`);
}

test('nothing was changed: nothing is found', async () => {
  expect([...before].filter((line) => !/^row_differs approval \w+: asked is /.test(line))).toEqual([]);
  expect(await afterwards('select 1', { checkpoints: [kept] })).toEqual([]);
});

const N = 9;
const byLeaf = 'order by leaf';

describe('the log', () => {
  test.each([
    {
      name: 'one byte of an event is altered',
      change: `update events set body = overlay(body placing 'X' from 60) where leaf = ${N}`,
      found: [`event_altered leaf ${N}: event `],
    },
    {
      name: 'an event says something else, and is an event still',
      change: `update events set body = replace(body, '192.0.2.7', '192.0.2.8') where leaf = ${N}`,
      found: [`event_altered leaf ${N}: event `],
    },
    {
      name: 'an event is removed',
      change: `delete from events where leaf = ${N}`,
      found: [`event_missing leaf ${N}: what was sealed there is gone`],
    },
    {
      name: 'events are removed',
      change: `delete from events where leaf between 3 and 7`,
      found: [`event_missing leaves 3 to 7: what was sealed there is gone`],
    },
    {
      name: 'an event is removed, and those behind it move up',
      change: `delete from events where leaf = ${N}; update events set leaf = leaf - 1 where leaf > ${N}`,
      found: [`event_missing leaf ${N}: `, `event_moved leaves ${N} to `],
    },
    {
      name: 'two events change places',
      change: `update events set leaf = case leaf when 4 then 11 else 4 end where leaf in (4, 11)`,
      found: [
        'event_moved leaf 4: what stands there was sealed at leaf 11',
        'event_moved leaf 11: what stands there was sealed at leaf 4',
      ],
    },
    {
      name: 'an event is put before what is sealed, and is not sealed',
      change: `insert into events (at, seq, tx, type, task_id, grant_id, body) select at, 100000, tx, type, task_id, grant_id, replace(body, '"seq":' || seq || ',', '"seq":100000,') from events where leaf = 2`,
      found: ['event_late event '],
    },
    {
      name: 'an event is put beside one that is sealed',
      change: `insert into events (at, seq, tx, type, task_id, grant_id, body, leaf) select at, 100000, tx, type, task_id, grant_id, replace(body, '"seq":' || seq || ',', '"seq":100000,'), leaf from events where leaf = 2`,
      found: ['event_added leaf 2: event '],
    },
    {
      name: 'an event is put behind the log’s end, as if it were sealed',
      change: `insert into events (at, seq, tx, type, task_id, grant_id, body, leaf) select at, 100000, tx, type, task_id, grant_id, replace(body, '"seq":' || seq || ',', '"seq":100000,'), 10000 from events where leaf = 2`,
      found: ['event_added leaf 10000: event '],
    },
    {
      name: 'an event is taken for not sealed',
      change: `update events set leaf = null where leaf = ${N}`,
      found: [`event_missing leaf ${N}: `, 'event_late event '],
    },
    {
      name: 'an event is hidden from a task, its text left as it is',
      change: `update events set task_id = 't000000000000000000000' where leaf = 2`,
      found: ['columns_differ leaf 2: task_id differ'],
    },
    {
      name: 'the columns of an event say another type, grant, time and number',
      change: `update events set type = 'evidence.read', grant_id = 'gnobody', seq = 999999, at = at + interval '1 microsecond' where leaf = 2`,
      found: ['columns_differ leaf 2: seq, at, type, grant_id differ'],
    },
    {
      name: 'the stored hash of an event is changed',
      change: `update log_hashes set hashes = overlay(hashes placing sha256('x') from 1) where first = 0`,
      found: ['hashes_altered leaf 0: its stored hash was changed; its event was not'],
    },
    {
      name: 'a stored hash above events is changed',
      change: `update log_hashes set hashes = overlay(hashes placing sha256('x') from 65) where first = 0`,
      found: ['hashes_altered leaf 1: 1 stored hashes above leaves'],
    },
    {
      name: 'stored hashes are removed',
      change: `delete from log_hashes where first = 0`,
      found: ['hashes_altered leaves 0 to 4: what was stored of them is gone', 'head_differs head: there are '],
    },
    {
      name: 'hashes are added',
      change: `insert into log_hashes values (100000, sha256('x'))`,
      found: ['head_differs head: there are '],
    },
    {
      name: 'the head says another root',
      change: `update log_head set root = sha256('x')`,
      found: ['head_differs head: the root of '],
    },
    {
      name: 'a checkpoint of the ledger says another root than was signed',
      change: `update log_checkpoints set root = sha256('x') where size = (select min(size) from log_checkpoints)`,
      found: ['checkpoint_forged checkpoint '],
    },
    {
      name: 'a checkpoint of the ledger is of more events than there are',
      change: `update log_checkpoints set size = 4711 where size = (select min(size) from log_checkpoints)`,
      found: ['checkpoint_forged checkpoint 4711: ', 'log_truncated checkpoint 4711: '],
    },
  ])('$name', async ({ change, found }) => {
    const lines = await afterwards(change);
    for (const beginning of found) expect(lines).toContainEqual(expect.stringContaining(beginning));
    const codes = new Set(lines.map((line) => line.split(' ')[0]));
    const told = new Set(found.map((line) => line.split(' ')[0]));
    const consequences = [
      'row_differs',
      'row_without_event',
      'event_without_row',
      'history_impossible',
      'checkpoint_differs',
    ];
    expect([...codes].filter((code) => !told.has(code) && !consequences.includes(code ?? ''))).toEqual([]);
  });

  /** Whoever holds the database can make everything in it agree again: hashes, head, and checkpoints of their own. */
  async function rewritten(
    change: string,
    checkpoints: 'left' | 'removed' | 'signed by a stranger' | 'cut off',
  ): Promise<void> {
    await client.query(named(change));
    const { rows } = await client.query<{ body: string }>(`select body from events where leaf is not null ${byLeaf}`);
    const hashes: Uint8Array[] = [];
    const tree = growFrom(0, [], (hash) => hashes.push(hash));
    for (const { body } of rows) tree.append(leafHash(body));
    await client.query('delete from log_hashes');
    await client.query('insert into log_hashes values (0, $1)', [Buffer.concat(hashes)]);
    await client.query('update log_head set size = $1, root = $2', [rows.length, tree.root()]);
    if (checkpoints === 'cut off') await client.query('delete from log_checkpoints where size > $1', [rows.length]);
    if (checkpoints !== 'removed' && checkpoints !== 'signed by a stranger') return;
    await client.query('delete from log_checkpoints');
    if (checkpoints === 'removed') return;
    const text = checkpointText({ origin: ORIGIN, size: rows.length, root: tree.root() });
    const note = formatNote(text, stranger.key, stranger.sign(Buffer.from(text)));
    await client.query('insert into log_checkpoints values ($1, $2, $3, $4, $5)', [
      ...[rows.length, tree.root(), ORIGIN, formatNoteKey(stranger.key), note],
    ]);
  }
  const altered = `update events set body = replace(body, '192.0.2.7', '192.0.2.8') where leaf = ${N}`;

  test('all of it is made to agree again: the checkpoints do not, and say from where on', async () => {
    const lines = await afterwards(() => rewritten(altered, 'left'));
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^checkpoint_differs checkpoint \d+: in the ledger, says another root: among leaves \d+ to \d+ something was changed/,
      ),
    );
    const [, first = '', last = ''] = /among leaves (\d+) to (\d+) /.exec(lines.join('\n')) ?? [];
    expect(Number(first)).toBeLessThanOrEqual(N);
    expect(Number(last)).toBeGreaterThanOrEqual(N);
  });

  test.each(['removed', 'signed by a stranger'] as const)(
    'and the checkpoints are %s: one that was kept elsewhere does not agree',
    async (how) => {
      const lines = await afterwards(() => rewritten(altered, how), { checkpoints: [kept] });
      expect(lines).toContainEqual(
        expect.stringMatching(/^checkpoint_differs checkpoint \d+: kept elsewhere, says another root/),
      );
      if (how === 'removed') return;
      expect(lines).toContainEqual(expect.stringContaining('checkpoint_forged checkpoint'));
    },
  );

  test('without a kept checkpoint and without the key that is not shown, and it is not claimed to be', async () => {
    const lines = await afterwards(() => rewritten(altered, 'signed by a stranger'), { keys: [] });
    expect(lines.filter((line) => !line.startsWith('row_'))).toEqual([]);
  });

  test('its end is cut off, and everything made to agree: a kept checkpoint is of more', async () => {
    const cut = `delete from events where leaf >= 12`;
    const lines = await afterwards(() => rewritten(cut, 'cut off'), { checkpoints: [kept] });
    expect(lines).toContainEqual(
      `log_truncated checkpoint ${kept.size}: kept elsewhere, is of ${kept.size} events; the log has 12`,
    );
    const inside = await afterwards(() => rewritten(cut, 'left'));
    expect(inside).toContainEqual(expect.stringContaining('log_truncated checkpoint'));
  });

  test('a checkpoint that is shown as kept and was forged', async () => {
    const note = formatNote(kept.signed.text, signer.key, stranger.sign(Buffer.from(kept.signed.text)));
    const forged = readCheckpoint(note);
    const other = readCheckpoint(kept.note.replaceAll(ORIGIN, 'writ.example/another'));
    if (!forged || !other) throw new Error('not a checkpoint');
    expect(await afterwards('select 1', { checkpoints: [forged, other] })).toEqual([
      `checkpoint_forged kept checkpoint ${kept.size}: is not signed by the key`,
      `checkpoint_forged kept checkpoint ${kept.size}: is not signed by the key`,
    ]);
  });
});

describe('the tables', () => {
  test.each([
    [
      'a grant’s state',
      `update grants set state = 'expired' where id = :revoked`,
      'row_differs grant :revoked: state is "expired" and its events say "revoked"',
    ],
    [
      'a grant that lives, as if it had been revoked',
      `update grants set state = 'revoked', why = 'revocation', closed_at = now() where id = :live`,
      'row_differs grant :live: state is "revoked" and its events say "active"',
    ],
    [
      'why a grant ended',
      `update grants set why = 'expiry' where id = :revoked`,
      'row_differs grant :revoked: why is "expiry" and its events say "revocation"',
    ],
    [
      'what was said of its end',
      `update grants set reason = 'planned' where id = :revoked`,
      'row_differs grant :revoked: reason is "planned" and',
    ],
    [
      'a grant’s end',
      `update grants set expires_at = expires_at + interval '1 second' where id = :live`,
      'row_differs grant :live: expires_at is ',
    ],
    [
      'when a grant was opened',
      `update grants set opened_at = opened_at - interval '1 hour' where id = :live`,
      'row_differs grant :live: opened_at is ',
    ],
    [
      'when a grant was closed',
      `update grants set closed_at = closed_at - interval '1 hour' where id = :revoked`,
      'row_differs grant :revoked: closed_at is ',
    ],
    [
      'when a grant began to end',
      `update grants set ending_at = ending_at - interval '1 hour' where id = :revoked`,
      'row_differs grant :revoked: ending_at is ',
    ],
    [
      'whom a grant is for',
      `update grants set subject = 'somebody else' where id = :live`,
      'row_differs grant :live: subject is "somebody else"',
    ],
    [
      'what a grant is of',
      `update grants set parameters = '{"month": "2027-01"}' where id = :live`,
      'row_differs grant :live: parameters is {"month":"2027-01"}',
    ],
    [
      'how a grant can be taken back',
      `update grants set revocability = '{"mode": "expiry_only"}' where id = :live`,
      'row_differs grant :live: revocability is ',
    ],
    [
      'which task a grant hangs off',
      `update grants set task_path = array['t1'] where id = :live`,
      'row_differs grant :live: task_path_fits is false',
    ],
    [
      'how a mint ended',
      `update mints set outcome = 'lapsed' where grant_id = :revoked`,
      'row_differs grant :revoked: mint ',
    ],
    [
      'what a mint’s handle is',
      `update mints set handle = '{"login": "another"}' where id = :mint`,
      'row_differs grant :renewed: mint :mint: handle is {"login":"another"}',
    ],
    [
      'how often an end failed',
      `update mints set attempts = 3 where id = :mint`,
      'row_differs grant :renewed: mint :mint: attempts is 3',
    ],
    [
      'a mint away',
      `delete from mints where id = :mint`,
      'row_differs grant :renewed: mint :mint has events and no row',
    ],
    ['a grant away', `delete from grants where id = :live`, 'event_without_row grant :live: '],
    [
      'a decision’s outcome',
      `update decisions set outcome = 'allow', code = null where id = :denied`,
      'row_differs decision :denied: outcome is "allow" and its events say "deny"',
    ],
    [
      'the policies that decided',
      `update decisions set policies = array['another'] where id = :denied`,
      'row_differs decision :denied: policies is ["another"]',
    ],
    [
      'what a decision saw',
      `update decisions set inputs = '{"requestedTtl": 601}' where id = :denied`,
      'row_differs decision :denied: inputs_hash is ',
    ],
    [
      'whom a decision was about',
      `update decisions set subject = 'somebody else' where id = :denied`,
      'row_differs decision :denied: subject is ',
    ],
    [
      'when it was decided',
      `update decisions set at = at - interval '1 day' where id = :denied`,
      'row_differs decision :denied: at is ',
    ],
    [
      'under which rules',
      `update decisions set rules_hash = 'another' where id = :denied`,
      'row_differs decision :denied: rules_hash is ',
    ],
    ['a decision away', `delete from decisions where id = :denied`, 'event_without_row decision :denied: '],
    [
      'a decision on a call',
      `update decisions set outcome = 'allow', code = null where id = :turned`,
      'row_differs decision :turned: outcome is "allow" and its events say "deny"',
    ],
    [
      'what a call was made with',
      `update decisions set arguments = '{"amount": 900}' where id = :called`,
      'row_differs decision :called: arguments is {"amount":900}',
    ],
    [
      'who asked about a call',
      `update decisions set asked_by = null where id = :called`,
      'row_differs decision :called: asked_by is null',
    ],
    ['a decision on a call away', `delete from decisions where id = :called`, 'event_without_row decision :called: '],
    [
      'how a call went',
      `update call_outcomes set status = 'succeeded', detail = null where decision_id = :called`,
      'row_differs outcome of decision :called: status is "succeeded"',
    ],
    [
      'who said how a call went',
      `update call_outcomes set subject = 'mallory' where decision_id = :called`,
      'row_differs outcome of decision :called: subject is "mallory"',
    ],
    [
      'how a call went away',
      `delete from call_outcomes where decision_id = :called`,
      'event_without_row outcome of decision :called: ',
    ],
    [
      'how a call went that nobody has reported',
      `insert into call_outcomes select :turned, status, detail, happened_at, trust, subject, at from call_outcomes where decision_id = :called`,
      'row_without_event outcome of decision :turned: there is a row and no event that made it',
    ],
    [
      'an exception, given to who was not let',
      `update exceptions set state = 'approved', answered_by = '{"kind": "operator"}', answered_at = now() where id = :wished`,
      'row_without_event exception :wished: its row says what no event exception.approved does',
    ],
    [
      'an exception that has ended, in force',
      `update exceptions set state = 'approved', ended_at = null, ended_by = null, end_reason = null where id = :excepted`,
      'row_differs exception :excepted: ended is false',
    ],
    [
      'what an exception overrides',
      `update exceptions set policies = array['another'] where id = :excepted`,
      'row_differs exception :excepted: policies is ["another"]',
    ],
    [
      'what an exception is for',
      `update exceptions set profile = null, tool = 'refund' where id = :excepted`,
      'row_differs exception :excepted: profile is null',
    ],
    [
      'until when an exception counts',
      `update exceptions set ends_at = ends_at + interval '1 year' where id = :excepted`,
      'row_differs exception :excepted: ends_at is ',
    ],
    [
      'who approved an exception',
      `update exceptions set answered_by = '{"kind": "operator"}' where id = :excepted`,
      'row_differs exception :excepted: answered_by is ',
    ],
    [
      'what was made of an exception',
      `update exceptions set review_note = 'all well' where id = :excepted`,
      'row_differs exception :excepted: review_note is "all well"',
    ],
    [
      'a task’s purpose',
      `update tasks set purpose = 'another' where id = :child`,
      'row_differs task :child: purpose is "another"',
    ],
    [
      'a task’s bounds',
      `update tasks set max_grants = 500 where id = :task`,
      'row_differs task :task: max_grants is 500',
    ],
    [
      'what a task hangs off',
      `update tasks set path = array[:child], root_id = :child, parent_id = null where id = :child`,
      'row_differs task :child: parent_id is null',
    ],
    [
      'a task that has ended, open',
      `update tasks set state = 'open', ended_at = null, ended_why = null, swept_at = null where id = :ended`,
      'row_differs task :ended: state is "open"',
    ],
    [
      'a task that is open, ended',
      `update tasks set state = 'ended', ended_at = now(), ended_why = 'ended' where id = :task`,
      'row_without_event task :task: its row says what no event task.ended does',
    ],
    [
      'what an order covers',
      `update orders set value = 'another' where id = :order`,
      'row_differs order :order: value is "another"',
    ],
    [
      'an order, lifted',
      `update orders set lifted_at = now() where id = :order`,
      'row_without_event order :order: its row says what no event order.lifted does',
    ],
    [
      'an order, not swept',
      `update orders set swept_at = null where id = :order`,
      'row_differs order :order: swept_at is null',
    ],
    [
      'an approval, given',
      `update approvals set state = 'approved' where id = :refused`,
      'row_differs approval :refused: state is "approved" and its events say "denied"',
    ],
    [
      'who approved',
      `update approval_answers set subject = 'mallory' where approval_id = :waiting`,
      'row_differs approval :waiting: answers is ',
    ],
    [
      'what was asked',
      `update approvals set asked_hash = 'another' where id = :waiting`,
      'row_differs approval :waiting: asked_hash is "another"',
    ],
    [
      'the text of the rules',
      `alter table rule_texts drop constraint rule_texts_hash_is_of_body; update rule_texts set body = 'permit all'`,
      'row_differs generation 1: text_fits is false',
    ],
    [
      'who activated rules',
      `update generations set author = '{"kind": "system", "name": "x"}'`,
      'row_differs generation 1: author is ',
    ],
  ])('changed behind its events: %s', async (_, change, found) => {
    const lines = await afterwards(change);
    expect(lines).toContainEqual(
      expect.stringContaining(
        found.replaceAll(
          /:(live|revoked|renewed|mint|denied|called|turned|excepted|wished|order|task|child|ended|waiting|refused)\b/g,
          (__, name: string) => ids[name] ?? '',
        ),
      ),
    );
    expect(lines.filter((line) => !/^(row_|event_without_row|history_impossible)/.test(line))).toEqual([]);
  });

  test.each([
    ['a grant', 'grants', 'live', ''],
    ['a decision', 'decisions', 'denied', ''],
    ['a decision on a call', 'decisions', 'called', ''],
    ['an order', 'orders', 'order', ''],
    ['an exception', 'exceptions', 'excepted', ''],
    ['an approval', 'approvals', 'waiting', ', "grant_id": null, "kind": "call"'],
  ])('%s that no event has made', async (what, table, of, more) => {
    const copy = `insert into ${table} select (jsonb_populate_record(r, '{"id": "gforged000000"${more}}')).* from ${table} r where id = :${of}`;
    const lines = await afterwards(copy);
    expect(lines).toContain(
      `row_without_event ${what.split(' ')[1]} gforged000000: there is a row and no event that made it`,
    );
  });

  test('an event that is forged, with the row that it speaks of: the log has no room for it', async () => {
    const lines = await afterwards(
      `insert into events (at, seq, tx, type, task_id, grant_id, body, leaf) select at, nextval('events_seq'), tx, type, task_id, grant_id, body, 5 from events where leaf = 2`,
    );
    expect(lines).toContainEqual(expect.stringContaining('event_added leaf 5'));
  });
});

test('an event that is dated back and sealed with the next ones', async () => {
  await client.query('set session_replication_role = replica');
  await client.query(
    `insert into events (at, seq, type, body) select at - interval '1 hour', nextval('events_seq'), type, replace(body, utc_text(at), utc_text(at - interval '1 hour')) from events where leaf = 3`,
  );
  await client.query('set session_replication_role = origin');
  await makeSealer(world.ledger.sealing)(false);
  expect(await afterwards('select 1')).toContainEqual(
    expect.stringMatching(/^event_back_dated leaf \d+: is of \S+ and was sealed behind one of /),
  );
});
