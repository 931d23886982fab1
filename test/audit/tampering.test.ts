import { createHash, generateKeyPairSync, sign } from 'node:crypto';
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
import { makeWorld, SECOND_OPERATOR } from '../ledger/world.ts';
import type { World } from '../ledger/world.ts';
import { callOf, recordCalls, reportOutcome, spending } from '../ledger/calling.ts';
import { answered, ended as endedException, inForce, requested, reviewed } from '../ledger/excepting.ts';
import { ids as ids_, OPERATOR } from '../ledger/world.ts';
import { askFor } from './past.ts';
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
  const task = await world.task({ max_grants: 5, max_calls: 9 });
  const child = await world.task(
    { parent: task, max_grants: 2, max_calls: 4 },
    { subject: 'spiffe://dev.local/agent/two' },
  );
  await sealed();
  const ended = await world.task();
  await world.endTask(ended);
  const waiting = await world.pending({ task });
  await world.answer(waiting, 'approve', SECOND_OPERATOR);
  const refused = await world.pending();
  await world.answer(refused, 'deny', SECOND_OPERATOR);
  await world.live({ task });
  const renewed = await world.live();
  const { mint } = await world.renew(renewed);
  await sealed();
  await world.ledger.issuing.recordDecision(world.decision({ outcome: 'deny', code: 'policy_denied' })); // and is not sealed

  const called = callOf({ ...spending(child, task), askedBy: { trust: 'mesh', id: 'gateway' } });
  await recordCalls(world, [
    called,
    callOf({ task: { id: child, root: task, budgeted: true }, outcome: 'deny', code: 'policy_denied' }),
  ]);
  await reportOutcome(world, called.id);
  const excepted = await inForce(world);
  const spent = await inForce(world);
  await endedException(world, spent);
  await reviewed(world, spent);
  const asked = await requested(world);
  const turned = await requested(world);
  await answered(world, turned, 'deny');
  const told = await world.pending({ notify: ['chat', 'mail', 'pager'] });
  await world.ledger.notices.claim({ targets: ['chat', 'mail'], owner: 'me', limit: 9, lease_seconds: 30 });
  for (const target of ['chat', 'mail'] as const) {
    const error = target === 'chat' ? null : 'timeout';
    const settling = { approval: told.approval, target, owner: 'me', error, delay_seconds: 1, dead_after: 1 };
    await world.ledger.notices.settle(settling);
  }
  const hold = ids_.hold();
  await world.ledger.holds.place({ id: hold, reason: 'a case', from: null, to: null, actor: OPERATOR, origin: null });
  const gone = ids_.hold();
  await world.ledger.holds.place({ id: gone, reason: 'a case', from: null, to: null, actor: OPERATOR, origin: null });
  await world.ledger.holds.lift({ id: gone, reason: 'over', actor: OPERATOR, origin: null });
  const put = await askFor(world.ledger);
  const all = await world.order({ kind: 'all', value: '*' });
  const lifting = { order: all, reason: 'over', actor: OPERATOR, origin: null };
  await world.ledger.orders.lift(lifting);
  await world.ledger.orders.lift({ ...lifting, reason: 'as well', actor: SECOND_OPERATOR });
  const publicJwk = { crv: 'Ed25519', kty: 'OKP', x: 'MjIy' };
  const kid = createHash('sha256').update(JSON.stringify(publicJwk)).digest('base64url');
  await world.ledger.signingKeys.add(
    { kid, class: 'access', alg: 'EdDSA', publicJwk, encryptionKey: 'k', wrapped: 'w' },
    { after: null, leadSeconds: 1, keepSeconds: 1 },
  );
  await sealed();

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
    order,
    task,
    child,
    ended,
    waiting: waiting.approval,
    refused: refused.approval,
    called: called.id,
    excepted,
    spent,
    asked,
    turned,
    told: told.approval,
    hold,
    gone,
    put,
    all,
    kid,
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
const named = (sql: string) =>
  sql.replaceAll(/(?<!:):([a-z]+)\b/g, (_, name: string) => `'${ids[name] ?? fail(name)}'`);
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
      'how a call went',
      `update call_outcomes set status = 'failed' where decision_id = :called`,
      `row_differs outcome :called: status is "failed" and its events say "succeeded"`,
    ],
    [
      'what was said of a call',
      `update call_outcomes set detail = 'another' where decision_id = :called`,
      `row_differs outcome :called: detail is "another"`,
    ],
    [
      'when a call happened',
      `update call_outcomes set happened_at = happened_at - interval '1 minute' where decision_id = :called`,
      `row_differs outcome :called: happened_at is `,
    ],
    [
      'when an outcome was reported',
      `update call_outcomes set at = at - interval '1 hour' where decision_id = :called`,
      `row_differs outcome :called: at is `,
    ],
    [
      'who reported an outcome',
      `update call_outcomes set subject = 'another' where decision_id = :called`,
      `row_differs outcome :called: subject is "another"`,
    ],
    ['an outcome away', `delete from call_outcomes where decision_id = :called`, `event_without_row outcome :called: `],
    [
      'a call’s decision',
      `update decisions set outcome = 'deny', code = 'policy_denied' where id = :called`,
      `row_differs decision :called: outcome is "deny" and its events say "allow"`,
    ],
    [
      'the arguments of a call',
      `update decisions set arguments = jsonb_set(arguments, '{amount}', '95') where id = :called`,
      `row_differs decision :called: arguments is {"amount":95} and its events say {"amount":9}`,
    ],
    [
      'an argument of nothing more',
      `update decisions set arguments = arguments || '{"to": null}' where id = :called`,
      `row_differs decision :called: arguments is {"amount":9,"to":null}`,
    ],
    [
      'the arguments of a call away',
      `update decisions set arguments = null where id = :called`,
      `row_differs decision :called: arguments is null`,
    ],
    [
      'the hash of the arguments',
      `update decisions set arguments_hash = 'another' where id = :called`,
      `row_differs decision :called: arguments_hash is "another"`,
    ],
    [
      'the controls of a call’s policies',
      `update decisions set controls = array['another'] where id = :called`,
      `row_differs decision :called: controls is ["another"] and its events say ["TEST:1"]`,
    ],
    [
      'the controls of a decision’s policies',
      `update decisions set controls = array['another'] where id = :denied`,
      `row_differs decision :denied: controls is ["another"]`,
    ],
    [
      'arguments of what has none',
      `update decisions set arguments = '{"a": 1}' where id = :denied`,
      `row_differs decision :denied: arguments is {"a":1}`,
    ],
    [
      'who asked about a call',
      `update decisions set asked_by = '{"trust": "mesh", "id": "another"}' where id = :called`,
      `row_differs decision :called: asked_by is {"id":"another"`,
    ],
    [
      'that somebody asked about a call',
      `update decisions set asked_by = null where id = :called`,
      `row_differs decision :called: asked_by is null`,
    ],
    ['a call’s decision away', `delete from decisions where id = :called`, `event_without_row decision :called: `],
    [
      'how many calls a task has made',
      `update tasks set calls_used = 0 where id = :child`,
      `row_differs task :child: calls_used is 0 and its events say 1`,
    ],
    [
      'how many calls were made below a task',
      `update tasks set calls_used = 5 where id = :task`,
      `row_differs task :task: calls_used is 5 and its events say 1`,
    ],
    [
      'how many grants a task has used',
      `update tasks set grants_used = 0 where id = :task`,
      `row_differs task :task: grants_used is 0`,
    ],
    [
      'how many calls a task may make',
      `update tasks set max_calls = 500 where id = :task`,
      `row_differs task :task: max_calls is 500`,
    ],
    [
      'which environments a task reaches',
      `update tasks set environments = '["production", "test"]' where id = :task`,
      `row_differs task :task: environments is `,
    ],
    [
      'who is on a task’s chain',
      `update tasks set chain = '[]' where id = :child`,
      `row_differs task :child: chain is []`,
    ],
    [
      'when a credential ends',
      `update mints set ends_at = ends_at + interval '1 hour' where id = :mint`,
      `row_differs grant :renewed: mint :mint: ends_at is `,
    ],
    [
      'when the first credential ends',
      `update mints set ends_at = ends_at + interval '1 hour' where grant_id = :live`,
      `row_differs grant :live: mint `,
    ],
    [
      'when a mint was intended',
      `update mints set opened_at = opened_at - interval '1 hour' where id = :mint`,
      `row_differs grant :renewed: mint :mint: opened_at is `,
    ],
    [
      'which provider has minted',
      `update mints set provider = 'another' where id = :mint`,
      `row_differs grant :renewed: mint :mint: provider is "another"`,
    ],
    [
      'what an exception is for',
      `update exceptions set profile = 'another' where id = :excepted`,
      `row_differs exception :excepted: profile is "another"`,
    ],
    [
      'whom an exception is for',
      `update exceptions set agent = 'another' where id = :excepted`,
      `row_differs exception :excepted: agent is "another"`,
    ],
    [
      'which policies are excepted',
      `update exceptions set policies = array['another'] where id = :excepted`,
      `row_differs exception :excepted: policies is ["another"]`,
    ],
    [
      'why there is an exception',
      `update exceptions set reason = 'another' where id = :excepted`,
      `row_differs exception :excepted: reason is "another"`,
    ],
    [
      'when an exception ends',
      `update exceptions set ends_at = ends_at + interval '1 day' where id = :excepted`,
      `row_differs exception :excepted: ends_at is `,
    ],
    [
      'when an exception begins',
      `update exceptions set starts_at = starts_at - interval '1 day' where id = :excepted`,
      `row_differs exception :excepted: starts_at is `,
    ],
    [
      'until when an exception is reviewed',
      `update exceptions set review_by = review_by + interval '1 day' where id = :excepted`,
      `row_differs exception :excepted: review_by is `,
    ],
    [
      'who asked for an exception',
      `update exceptions set author = '{"kind": "operator", "issuer": "x", "subject": "y"}' where id = :excepted`,
      `row_differs exception :excepted: author is `,
    ],
    [
      'who approved an exception',
      `update exceptions set answered_by = author where id = :excepted`,
      `row_differs exception :excepted: answered_by is `,
    ],
    [
      'why an exception was approved',
      `update exceptions set answer_reason = 'another' where id = :excepted`,
      `row_differs exception :excepted: answer_reason is "another"`,
    ],
    [
      'an exception that was asked for, approved',
      `update exceptions set state = 'approved', answered_at = now(), answered_by = author, answer_reason = 'x' where id = :asked`,
      `row_without_event exception :asked: its row says what no event exception.approved does`,
    ],
    [
      'an exception that was denied, approved',
      `update exceptions set state = 'approved' where id = :turned`,
      `row_differs exception :turned: state is "approved" and its events say "denied"`,
    ],
    [
      'an exception that has ended, in force',
      `update exceptions set state = 'approved', ended_at = null where id = :spent`,
      `row_differs exception :spent: state is "approved" and its events say "ended"`,
    ],
    [
      'why an exception has ended',
      `update exceptions set end_reason = 'another' where id = :spent`,
      `row_differs exception :spent: end_reason is "another"`,
    ],
    [
      'what was made of an exception',
      `update exceptions set review_note = 'it was not needed' where id = :spent`,
      `row_differs exception :spent: review_note is `,
    ],
    [
      'an exception, reviewed',
      `update exceptions set reviewed_at = now(), reviewed_by = author, review_note = 'x' where id = :excepted`,
      `row_without_event exception :excepted: its row says what no event exception.reviewed does`,
    ],
    ['an exception away', `delete from exceptions where id = :excepted`, `event_without_row exception :excepted: `],
    [
      'a notice that was taken, never',
      `update approval_notices set state = 'pending', closed_at = null where approval_id = :told and target = 'chat'`,
      `row_differs approval :told: notice chat: state is "pending" and its events say "sent"`,
    ],
    [
      'a notice that nobody took, taken',
      `update approval_notices set state = 'sent', last_error = null where approval_id = :told and target = 'mail'`,
      `row_differs approval :told: notice mail: state is "sent" and its events say "dead"`,
    ],
    [
      'a notice that is waited for, taken',
      `update approval_notices set state = 'sent', closed_at = now() where approval_id = :told and target = 'pager'`,
      `row_differs approval :told: notice pager is sent and its events say pending`,
    ],
    [
      'how often a notice was tried',
      `update approval_notices set attempts = 9 where approval_id = :told and target = 'mail'`,
      `row_differs approval :told: notice mail: attempts is 9`,
    ],
    [
      'why a notice was not taken',
      `update approval_notices set last_error = 'another' where approval_id = :told and target = 'mail'`,
      `row_differs approval :told: notice mail: last_error is "another"`,
    ],
    [
      'who is told',
      `update approval_notices set target = 'another' where approval_id = :told and target = 'pager'`,
      `row_differs approval :told: notice another has a row and no event`,
    ],
    [
      'a notice away',
      `delete from approval_notices where approval_id = :told and target = 'pager'`,
      `row_differs approval :told: notice pager has an event and no row`,
    ],
    [
      'in which role somebody answered',
      `update approval_answers set roles = array['security'] where approval_id = :waiting`,
      `row_differs approval :waiting: answers is `,
    ],
    [
      'whose approval it is',
      `update approvals set owner = 'another' where id = :waiting`,
      `row_differs approval :waiting: owner is "another"`,
    ],
    [
      'who asked that an order over everything be lifted',
      `update orders set lift_requested_by = lifted_by where id = :all`,
      `row_differs order :all: lift_requested_by is `,
    ],
    [
      'why an order was lifted',
      `update orders set lift_reason = 'another' where id = :all`,
      `row_differs order :all: lift_reason is "another"`,
    ],
    [
      'what a hold covers',
      `update legal_holds set to_at = '2001-01-01' where id = :hold`,
      `row_differs hold :hold: to_at is `,
    ],
    [
      'why there is a hold',
      `update legal_holds set reason = 'another' where id = :hold`,
      `row_differs hold :hold: reason is "another"`,
    ],
    [
      'who placed a hold',
      `update legal_holds set placed_by = '{"kind": "system", "name": "x"}' where id = :hold`,
      `row_differs hold :hold: placed_by is `,
    ],
    [
      'a hold, lifted',
      `update legal_holds set lifted_at = now(), lifted_by = placed_by, lift_reason = 'x' where id = :hold`,
      `row_without_event hold :hold: its row says what no event hold.lifted does`,
    ],
    [
      'why a hold was lifted',
      `update legal_holds set lift_reason = 'another' where id = :gone`,
      `row_differs hold :gone: lift_reason is "another"`,
    ],
    ['a hold away', `delete from legal_holds where id = :hold`, `event_without_row hold :hold: `],
    [
      'who asked that a month be put away',
      `update archive_requests set asked_by = '{"kind": "system", "name": "x"}' where id = :put`,
      `row_differs archive request :put: asked_by is `,
    ],
    [
      'that it was done on a request',
      `update archive_requests set used_at = now() where id = :put`,
      `row_differs archive request :put: use_fits is false`,
    ],
    [
      'a month, put away',
      `insert into event_archives (month, events, leaves, sha256) values ('2026-01', 0, '{}', repeat('0', 64))`,
      `row_without_event archive 2026-01: there is a row and no event that made it`,
    ],
    [
      'who may not answer an approval',
      `update approvals set chain = '[{"id": "another", "trust": "mesh"}]' where id = :waiting`,
      `row_differs approval :waiting: chain is [{"id":"another","trust":"mesh"}] and its events say []`,
    ],
    [
      'that somebody had put it before a person',
      `update approvals set asked = asked || '{"asked_by": {"trust": "mesh", "id": "another"}}' where id = :waiting`,
      `row_differs approval :waiting: asked_by is {"id":"another","trust":"mesh"} and its events say null`,
    ],
    [
      'who decided how long a task is',
      `update tasks set ends_at_decided_by = 'another' where id = :task`,
      `row_differs task :task: ends_at_decided_by is "another"`,
    ],
    [
      'who asked that an order be lifted, and not when',
      `update orders set lift_requested_by = author where id = :order`,
      `row_without_event order :order: its row says what no event order.lift_requested does`,
    ],
    [
      'who lifted an order, and not when',
      `update orders set lifted_by = author where id = :order`,
      `row_without_event order :order: its row says what no event order.lifted does`,
    ],
    [
      'why an order was lifted that never was',
      `update orders set lift_reason = 'x' where id = :order`,
      `row_without_event order :order: its row says what no event order.lifted does`,
    ],
    [
      'who answered an exception, and not when',
      `alter table exceptions drop constraint if exists exceptions_answered; update exceptions set answered_by = author where id = :asked`,
      `row_without_event exception :asked: its row says what no event exception.approved does`,
    ],
    [
      'a key, under its name',
      `update signing_keys set public_jwk = public_jwk || '{"x": "MzMz"}' where kid = :kid`,
      `row_differs key :kid: thumbprint is "`,
    ],
    [
      'when a key was made',
      `update signing_keys set created_at = created_at - interval '1 year' where kid = :kid`,
      `row_differs key :kid: created_at is `,
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
          /(?<!:):(live|revoked|renewed|mint|denied|order|task|child|ended|waiting|refused|called|excepted|spent|asked|turned|told|hold|gone|put|all|kid)\b/g,
          (__, name: string) => ids[name] ?? '',
        ),
      ),
    );
    expect(lines.filter((line) => !/^(row_|event_without_row|history_impossible|archive_unproven)/.test(line))).toEqual(
      [],
    );
  });

  test.each([
    ['a grant', 'grants', 'live', ''],
    ['a decision', 'decisions', 'denied', ''],
    ['an order', 'orders', 'order', ''],
    ['an outcome', 'call_outcomes', 'called', ', "decision_id": "gforged000000"', 'decision_id'],
    ['an exception', 'exceptions', 'excepted', ''],
    ['a hold', 'legal_holds', 'hold', ''],
    ['an approval', 'approvals', 'waiting', ', "grant_id": null, "kind": "call"'],
  ])('%s that no event has made', async (what, table, of, more, key = 'id') => {
    const copy = `insert into ${table} select (jsonb_populate_record(r, '{"id": "gforged000000"${more}}')).* from ${table} r where ${key} = :${of}`;
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

describe('what cannot be read', () => {
  /** Beside an order that was lifted behind the log's back: what stands there must not pass for its event. */
  const forged = (body: string) => `update orders set lifted_at = now(), lifted_by = author where id = :order;
    insert into events (at, seq, type, body) select now(), 100000, 'order.lifted', replace('${body}', '%', :order)`;
  const facts = '"facts":{"order":"%"},"success": true';

  test.each([
    ['no JSON', 'nonsense'],
    ['an array', `[{${facts},"at":"x","seq":1,"type":"order.lifted"}]`],
    ['no facts', '{"at":"x","seq":1,"success": true,"type":"order.lifted"}'],
    ['a number that is a text', `{"at":"x",${facts},"seq":"1","type":"order.lifted"}`],
    ['no time', `{"at":1,${facts},"seq":1,"type":"order.lifted"}`],
    ['no type', `{"at":"x",${facts},"seq":1}`],
  ])('%s', async (_, body) => {
    const lines = await afterwards(forged(body));
    expect(lines).toContain('event_altered event 100000: is no event');
    expect(lines).toContainEqual(
      expect.stringContaining(`row_without_event order ${ids['order']}: its row says what no event order.lifted does`),
    );
  });

  test('what PostgreSQL cannot read is not the end of looking', async () => {
    const body = '{"at":"x","facts":{"order":5,"zero":"\\u0000"},"seq":100000,"success": true,"type":"order.lifted"}';
    expect(await afterwards(forged(body))).toContainEqual(
      expect.stringContaining(`row_without_event order ${ids['order']}: its row says what no event order.lifted does`),
    );
  });
});

test('events of versions that did not say as much: their rows are not held against what is not there', async () => {
  const text = `regexp_replace(body, case type when 'approval.requested' then '"(chain":\\[[^]]*\\]|asked_by":[^,{}]*),'
    else '"ends_at_decided_by":"[^"]*",' end, '', 'g')`;
  const which = `where type in ('approval.requested', 'task.created', 'task.delegated')`;
  const { rows } = await client.query<{ body: string }>(`select ${text} as body from events ${which}`);
  expect(rows.length).toBeGreaterThan(8);
  expect(rows.filter(({ body }) => /"(asked_by|ends_at_decided_by)"/.test(body))).toEqual([]);
  const less = `update events set body = ${text} ${which}`;
  expect((await afterwards(less)).filter((line) => !line.startsWith('event_altered'))).toEqual([]);
});

describe('a month that is said to have been put away', () => {
  const row = `insert into event_archives (month, events, leaves, sha256) values ('2026-01', 3, '{[4,7)}', repeat('0', 64));`;
  const gone = 'delete from events where leaf between 4 and 6;';
  const body = (
    seq: string,
  ) => `'{"actor":{"kind":"system","name":"x"},"at":"' || utc_text(now()) || '","facts":{"count":3,"leaves":"{[4,7)}","month":"2026-01","sha256":"'
    || repeat('0', 64) || '"},"seq":' || ${seq} || ',"success": true,"type":"events.archived"}'`;
  const unsealed = `insert into events (at, seq, type, body) values (now(), 100000, 'events.archived', ${body('100000')});`;
  const placed = `update events set type = 'events.archived', at = now(), task_id = null, grant_id = null, body = ${body('seq')} where leaf = 12;`;

  test.each([
    ['by its row alone', row, /^row_without_event archive 2026-01/],
    ['by an event that is not sealed', row + unsealed, /^archive_unproven/],
    ['by an event that was put in the place of another', row + placed, /^event_altered leaf 12: /],
  ])('%s: it hides nothing', async (_, change, also) => {
    const lines = await afterwards(change + gone);
    expect(lines).toContain('archive_unproven archive 2026-01: no event that is sealed says that it was put away');
    expect(lines).toContain('event_missing leaves 4 to 6: what was sealed there is gone');
    expect(lines).toContainEqual(expect.stringMatching(also));
  });
});

test('a head of more events than anything could be of', async () => {
  const lines = await afterwards('update log_head set size = 9000000000000000');
  expect(lines).toContainEqual(expect.stringMatching(/^head_differs head: there are \d+ hashes, and 9000000000000000/));
});

test('an event that is dated back and not sealed yet', async () => {
  const lines = await afterwards(
    `insert into events (at, seq, type, body) select at - interval '1 hour', 100000, type, replace(replace(body, utc_text(at), utc_text(at - interval '1 hour')), '"seq":' || seq, '"seq":100000') from events where leaf = 3`,
  );
  expect(lines).toContainEqual(
    expect.stringMatching(/^event_back_dated event 100000: is of \S+ and stands behind one of /),
  );
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
