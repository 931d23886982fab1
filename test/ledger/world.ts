import { createHash, randomBytes } from 'node:crypto';
import type { ApprovalId, GrantId, MintId, OrderId, TaskId } from '../../src/domain/ids.ts';
import { makeIds } from '../../src/domain/ids.ts';
import { ONE_APPROVER } from '../../src/domain/approval.ts';
import type { Actor, OperatorRole } from '../../src/domain/identity.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Selector } from '../../src/domain/selector.ts';
import { makeLedger } from '../../src/ledger/index.ts';
import type { ApprovalRequest, Claim, DecisionRecord, EndedTask, Ledger, OpenTask } from '../../src/ledger/index.ts';
import type { ClaimGrant, MintIntent, OpenGrant, OpenMint } from '../../src/ledger/issuing.ts';
import type { TestDatabase } from '../support/database.ts';
import type { LedgerServer } from '../support/servers.ts';
import { makeDatabase } from '../support/database.ts';

export const ids = makeIds(randomBytes, () => Date.now());
export const OPERATOR: Actor = { kind: 'operator', issuer: 'https://sso.test', subject: 'ada' };
export const SECOND_OPERATOR: Actor = { ...OPERATOR, subject: 'grace' };
export const LEASE = 30;

/** Whom a grant is for and what it is of; all that a selector can name. */
export interface Shape {
  readonly trust: string;
  readonly subject: string;
  readonly onBehalfOf: string | null;
  readonly profile: string;
  readonly provider: string;
  readonly owner: string;
  readonly environment: string;
}

export const SHAPE: Shape = {
  trust: 'mesh',
  subject: 'spiffe://dev.local/agent/one',
  onBehalfOf: null,
  profile: 'orders-read',
  provider: 'orders-db',
  owner: 'payments',
  environment: 'production',
};

/** A grant that was opened, and what the next calls about it need. */
export interface OpenedGrant {
  readonly grant: GrantId;
  readonly mint: MintId;
  readonly task: TaskId;
  readonly epoch: number;
  readonly shape: Shape;
}

export interface PendingGrant {
  readonly grant: GrantId;
  readonly task: TaskId;
  readonly approval: ApprovalId;
  readonly shape: Shape;
}

/** An opening that waits for nobody. */
export type Opening = OpenGrant & { readonly mint: MintIntent };

export type Changes = Partial<Shape> & {
  readonly ttlSeconds?: number;
  readonly deadlineSeconds?: number;
  readonly idempotency?: OpenGrant['idempotency'];
  /** A task that was made before. */
  readonly task?: TaskId;
};

export type Asking = Changes & Partial<Pick<ApprovalRequest, 'needs' | 'chain' | 'notify' | 'max_open'>>;

/** A ledger with its own database, reached with the broker's rights alone, and with rules activated. */
export interface World {
  readonly database: TestDatabase;
  readonly ledger: Ledger;
  /** The number of the generation that decides; moves with `activateRules` alone: this replica may be behind. */
  generation(): number;
  activateRules(text?: string): Promise<number>;
  decision(change?: Partial<DecisionRecord>): DecisionRecord;
  opening(change?: Changes): Opening;
  openingMint(of: OpenedGrant, kind: OpenMint['kind'], ttlSeconds?: number): OpenMint;
  open(change?: Changes): Promise<OpenedGrant>;
  /** An opening that asks a person. */
  openingPending(change?: Asking): OpenGrant & { readonly approval: ApprovalRequest };
  /** A grant that waits for a person. */
  pending(change?: Asking): Promise<PendingGrant>;
  answer(
    of: { approval: ApprovalId },
    answer?: 'approve' | 'deny',
    actor?: Actor,
    roles?: readonly OperatorRole[],
  ): Promise<string>;
  claimOf(of: PendingGrant): ClaimGrant;
  openingTask(change?: Partial<OpenTask['task']>, shape?: Partial<Shape>): OpenTask;
  task(change?: Partial<OpenTask['task']>, shape?: Partial<Shape>): Promise<TaskId>;
  endTask(task: TaskId, batch?: number): Promise<EndedTask>;
  activate(of: { mint: MintId; epoch: number }, handle?: JsonObject): Promise<void>;
  /** Opened and activated. */
  live(change?: Changes): Promise<OpenedGrant>;
  /** One more mint of a live grant, activated. */
  renew(of: OpenedGrant, kind?: OpenMint['kind'], ttlSeconds?: number): Promise<{ mint: MintId; epoch: number }>;
  revoke(of: { grant: GrantId }): Promise<void>;
  /** Claims everything of a grant that is to be ended; there must be some. */
  claim(of: { grant: GrantId }, owner?: string): Promise<Claim>;
  order(selector: Selector, blocks?: boolean): Promise<OrderId>;
  sql<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  grant(id: GrantId): Promise<GrantRow>;
  mint(id: MintId): Promise<MintRow>;
  /** Moves all times of a grant and its mints into the past: time goes by for this grant alone. */
  age(id: GrantId, seconds: number): Promise<void>;
  /** The same for the clearing away of a mint, whose grant is closed by then. */
  ageCleanup(id: MintId, seconds: number): Promise<void>;
  events(id: GrantId): Promise<string[]>;
  /** No order stands and nothing is due any more: what other tests left does not disturb the next. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

export interface GrantRow extends Record<string, unknown> {
  readonly state: string;
  readonly why: string | null;
  readonly reason: string | null;
  readonly order_id: string | null;
  readonly opened_at: Date;
  readonly issued_at: Date | null;
  readonly expires_at: Date;
  readonly closed_at: Date | null;
}

export interface MintRow extends Record<string, unknown> {
  readonly state: string;
  readonly epoch: number;
  readonly claimed_by: string | null;
  readonly due_at: Date;
  readonly ends_at: Date;
  readonly handle: JsonObject | null;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly outcome: string | null;
  readonly cleanup_due_at: Date | null;
}

export async function makeWorld(
  options: { readonly via?: (url: string) => string; readonly server?: LedgerServer } = {},
): Promise<World> {
  const database = await makeDatabase(options.server);
  const ledger = makeLedger({ url: options.via?.(database.brokerUrl) ?? database.brokerUrl, poolSize: 8 });
  let generation = 0;

  const sql: World['sql'] = async <Row extends Record<string, unknown>>(
    text: string,
    values: readonly unknown[] = [],
  ) => (await database.pool.query<Row>(text, [...values])).rows;
  const only = <Row>(rows: Row[]): Row => {
    if (rows.length !== 1 || rows[0] === undefined) throw new Error(`${rows.length} rows instead of one`);
    return rows[0];
  };

  const world: World = {
    database,
    ledger,
    sql,
    generation: () => generation,

    async activateRules(text = randomBytes(8).toString('hex')) {
      const hash = createHash('sha256').update(text).digest('hex');
      const base = (await ledger.generations.activeNumber()) ?? null;
      const rules = { hash, body: text, author: OPERATOR, difference: {}, base, origin: null };
      generation = (await ledger.generations.activate(rules)).number;
      return generation;
    },

    decision: (change = {}) => ({
      id: ids.decision(),
      action: 'issue',
      generation,
      rules_hash: 'rules',
      trust: SHAPE.trust,
      subject: SHAPE.subject,
      resource: SHAPE.profile,
      outcome: 'allow',
      code: null,
      policies: ['agents-read'],
      controls: [],
      errors: [],
      inputs: { requestedTtl: 600 },
      origin: '192.0.2.7',
      ...change,
    }),

    opening(change = {}) {
      const { trust, subject, onBehalfOf, profile, provider, owner, environment } = { ...SHAPE, ...change };
      const ttl = change.ttlSeconds ?? 600;
      const expiresAt = new Date(Date.now() + ttl * 1000).toISOString();
      return {
        decision: world.decision({ trust, subject, resource: profile }),
        task: {
          id: change.task ?? ids.task(),
          purpose: 'look up an order',
          mode: 'autonomous',
          environment,
          on_behalf_of: onBehalfOf,
          principal: onBehalfOf === null ? null : { id: onBehalfOf },
          chain: [{ trust, id: subject }],
          ends_at: null,
          there: change.task !== undefined,
        },
        approval: null,
        grant: {
          id: ids.grant(),
          profile,
          provider,
          owner,
          environment,
          effect: 'read',
          parameters: { month: '2026-11' },
          ttl_seconds: ttl,
          ttl_decided_by: 'profile_default',
          expires_at: expiresAt,
          revocability: { mode: 'immediate' },
        },
        mint: { id: ids.mint(), request: { role: 'reader' }, deadline_seconds: change.deadlineSeconds ?? 15 },
        origin: '192.0.2.7',
        idempotency: change.idempotency ?? null,
      };
    },

    openingMint: ({ grant, shape }, kind, ttlSeconds = 900) => ({
      grant,
      kind,
      decision: world.decision({ ...shape, action: kind === 'renewal' ? 'renew' : 'issue', resource: shape.profile }),
      ttl: {
        ends_at: new Date(Date.now() + ttlSeconds * 1000).toISOString(),
        seconds: ttlSeconds,
        decided_by: 'request',
      },
      mint: { id: ids.mint(), request: { role: 'reader' }, deadline_seconds: 15 },
      origin: null,
    }),

    async open(change = {}) {
      const opening = world.opening(change);
      const { epoch } = await ledger.issuing.openGrant(opening);
      const { grant, mint, task } = opening;
      return { grant: grant.id, mint: mint.id, task: task.id, epoch, shape: { ...SHAPE, ...change } };
    },

    openingPending({ needs = ONE_APPROVER, chain = [], notify = [], max_open = 1_000, ...change } = {}) {
      const { decision, ...opening } = world.opening(change);
      const approval: ApprovalRequest = {
        id: ids.approval(),
        kind: 'issue',
        asked: { plan: { role: 'reader' } },
        asked_hash: 'asked',
        needs,
        chain,
        notify,
        max_open,
        expires_at: new Date(Date.now() + 600_000).toISOString(),
      };
      const waiting = { ...decision, outcome: 'approval', code: 'approval_required' } as const;
      return { ...opening, decision: waiting, mint: null, approval };
    },

    async pending(change = {}) {
      const opening = world.openingPending(change);
      await ledger.issuing.openGrant(opening);
      const { grant, task, approval } = opening;
      return { grant: grant.id, task: task.id, approval: approval.id, shape: { ...SHAPE, ...change } };
    },

    answer: ({ approval }, answer = 'approve', actor = OPERATOR, roles = ['approver']) =>
      ledger.approvals.answer({ approval, answer, reason: 'looked at it', roles, limited: [], actor, origin: null }),

    claimOf: ({ grant, approval, shape }) => ({
      grant,
      approval,
      asked_hash: 'asked',
      decision: world.decision({ trust: shape.trust, subject: shape.subject, resource: shape.profile }),
      ttl: { ends_at: new Date(Date.now() + 300_000).toISOString(), seconds: 300, decided_by: 'request' },
      revocability: { mode: 'immediate' },
      mint: { id: ids.mint(), request: { role: 'reader' }, deadline_seconds: 15 },
      origin: null,
      idempotency: null,
    }),

    openingTask(change = {}, shape = {}) {
      const { trust, subject, environment } = { ...SHAPE, ...shape };
      return {
        decision: world.decision({
          action: change.parent ? 'delegate' : 'create_task',
          trust,
          subject,
          resource: 'task',
        }),
        task: {
          id: ids.task(),
          parent: null,
          on_behalf_of: null,
          principal: null,
          environments: null,
          chain: [{ trust, id: subject }],
          purpose: 'close the month',
          mode: 'autonomous',
          environment,
          ends_at: new Date(Date.now() + 3_600_000).toISOString(),
          ends_at_decided_by: 'default',
          max_grants: null,
          max_calls: null,
          profiles: null,
          tools: null,
          parameters: {},
          max_ttl_seconds: null,
          ...change,
        },
        max_hops: 4,
        max_open: 1_000,
        origin: null,
        idempotency: null,
      };
    },

    async task(change = {}, shape = {}) {
      const opening = world.openingTask(change, shape);
      await ledger.tasks.open(opening);
      return opening.task.id;
    },

    endTask: (task, batch = 500) =>
      ledger.tasks.end({ task, why: 'ended', reason: 'done', actor: OPERATOR, origin: null, batch }),

    async activate({ mint, epoch }, handle = { login: mint }) {
      await ledger.issuing.activate(mint, epoch, handle, new Date(Date.now() + 600_000), '192.0.2.7');
    },

    async live(change = {}) {
      const opened = await world.open(change);
      await world.activate(opened);
      return opened;
    },

    async renew(of, kind = 'renewal', ttlSeconds = 900) {
      const opening = world.openingMint(of, kind, ttlSeconds);
      const { epoch } = await ledger.issuing.openMint(opening);
      await world.activate({ mint: opening.mint.id, epoch });
      return { mint: opening.mint.id, epoch };
    },

    async revoke({ grant }) {
      const ending = { grant, why: 'revocation', reason: 'no longer needed', actor: OPERATOR, origin: null } as const;
      await ledger.issuing.endGrant(ending);
    },

    async claim({ grant }, owner = 'one') {
      const claims = await ledger.reaping.claim({ grant, owner, limit: 100, lease_seconds: LEASE });
      if (!claims[0]) throw new Error('there was nothing to claim');
      return claims[0];
    },

    async order(selector, blocks = true) {
      const id = ids.order();
      await ledger.orders.create({ id, selector, reason: 'incident 7', author: OPERATOR, blocks, origin: '192.0.2.9' });
      return id;
    },

    grant: async (id) => only(await sql<GrantRow>('select * from grants where id = $1', [id])),
    mint: async (id) => only(await sql<MintRow>('select * from mints where id = $1', [id])),

    async age(id, seconds) {
      const back = (column: string) => `${column} = ${column} - make_interval(secs => $2)`;
      const grants = ['opened_at', 'issued_at', 'expires_at', 'ending_at'].map(back).join(', ');
      const mints = ['due_at', 'deadline', 'ends_at', 'opened_at', 'activated_at', 'ended_at'];
      await sql(`update grants set ${grants} where id = $1`, [id, seconds]);
      await sql(`update mints set ${mints.map(back).join(', ')} where grant_id = $1`, [id, seconds]);
    },

    async ageCleanup(id, seconds) {
      const sql = 'update mints set cleanup_due_at = cleanup_due_at - make_interval(secs => $2) where id = $1';
      await world.sql(sql, [id, seconds]);
    },

    async events(id) {
      const rows = await sql<{ type: string }>('select type from events where grant_id = $1 order by seq', [id]);
      return rows.map(({ type }) => type);
    },

    async calm() {
      await sql(`update tasks set ends_at = now() + interval '1 day' where state = 'open' and ends_at is not null`);
      await sql('update orders set swept_at = now(), lifted_at = now() where swept_at is null or lifted_at is null');
      await sql(`update mints set due_at = now() + interval '1 day' where state <> 'ended'`);
      await sql(`update grants set expires_at = now() + interval '1 day' where state = 'active'`);
    },

    async close() {
      await ledger.close();
      await database.drop();
    },
  };
  await world.activateRules();
  return world;
}
