import { Refusal } from '../domain/errors.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import type { OperatorRole } from '../domain/identity.ts';
import type { ExceptionId } from '../domain/ids.ts';
import { mayActOn, reachOf } from '../domain/may-act.ts';
import { exceptionState } from '../ledger/index.ts';
import type { ExceptionFilter, ExceptionRow, ExceptionScope, ExceptionState } from '../ledger/index.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { actorOf } from './orders.ts';
import { withRules } from './rules.ts';
import type { ActiveRules } from './rules.ts';

export const MAY_ASK = ['platform', 'security'] as const satisfies readonly OperatorRole[];
export const MAY_ANSWER = ['security', 'approver'] as const satisfies readonly OperatorRole[];
export const MAY_REVIEW = ['security', 'auditor'] as const satisfies readonly OperatorRole[];

const DAY_MS = 86_400_000;
/** What is to last longer is a rule, and belongs into the rules. */
const LONGEST_DAYS = 31;
const LATEST_REVIEW_DAYS = 90;

export interface AskedException {
  readonly scope: ExceptionScope;
  readonly policies: readonly string[];
  readonly reason: string;
  readonly startsAt?: Date | undefined;
  readonly endsAt: Date;
  readonly reviewBy: Date;
}

export interface ExceptionView {
  readonly row: ExceptionRow;
  readonly state: ExceptionState;
  /** Its review date has passed without one. */
  readonly overdue: boolean;
  /** How often something was allowed under it. */
  readonly uses: number;
}

/** Break-glass: an override that is asked for by one, approved by another, dated, and looked at afterwards. */
export function makeExceptionVerbs({
  ledger,
  ids,
  clock,
  rules,
}: Pick<ExchangeContext, 'ledger' | 'ids' | 'clock' | 'rules'>) {
  async function view(rows: readonly ExceptionRow[]): Promise<ExceptionView[]> {
    const uses = await ledger.exceptions.uses(rows.map(({ id }) => id));
    const now = clock.now();
    return rows.map((row) => ({
      row,
      state: exceptionState(row, now),
      overdue: (row.state === 'approved' || row.state === 'ended') && row.reviewedAt === null && row.reviewBy <= now,
      uses: uses.get(row.id) ?? 0,
    }));
  }

  /** What a limited role does not reach is not there for whoever has it. @throws Refusal `not_found`, `role_limited`. */
  async function reached(
    { operator }: OperatorCaller,
    id: ExceptionId,
    roles: readonly OperatorRole[],
  ): Promise<ExceptionRow> {
    const row = await ledger.exceptions.find(id);
    const within = (role: OperatorRole) => row !== null && mayActOn(operator, role, aboutOf(row));
    if (!row || !OPERATOR_ROLES.some(within)) throw new Refusal('not_found');
    if (!roles.some(within)) throw new Refusal('role_limited', { roles: [...roles] });
    return row;
  }

  async function show(caller: OperatorCaller, id: ExceptionId): Promise<ExceptionView> {
    const [shown] = await view([await reached(caller, id, OPERATOR_ROLES)]);
    if (!shown) throw new Refusal('not_found');
    return shown;
  }

  const said = (caller: OperatorCaller, exception: ExceptionId) => ({
    exception,
    actor: actorOf(caller),
    origin: caller.origin,
  });

  return {
    show,

    async list({ operator }: OperatorCaller, filter: ExceptionFilter, limit: number, after?: string) {
      const within = reachOf(operator, OPERATOR_ROLES);
      return view(await ledger.exceptions.list({ ...filter, within }, clock.now(), limit, after));
    },

    /** @throws Refusal `invalid_request` with every fault, `role_limited`. */
    async request(caller: OperatorCaller, asked: AskedException): Promise<ExceptionView> {
      const now = clock.now();
      const scope = await withRules(rules, async (active) => fittingScope(active, asked, now));
      if (!MAY_ASK.some((role) => mayActOn(caller.operator, role, scope)))
        throw new Refusal('role_limited', { roles: [...MAY_ASK] });
      const id = ids.exception();
      await ledger.exceptions.request({
        id,
        scope,
        policies: asked.policies,
        reason: asked.reason,
        starts_at: asked.startsAt?.toISOString() ?? null,
        ends_at: asked.endsAt.toISOString(),
        review_by: asked.reviewBy.toISOString(),
        author: actorOf(caller),
        origin: caller.origin,
      });
      return show(caller, id);
    },

    /** @throws Refusal `not_found`, `role_limited`, `exception_closed`, `own_request`. */
    async answer(caller: OperatorCaller, id: ExceptionId, answer: 'approve' | 'deny', reason: string) {
      await reached(caller, id, MAY_ANSWER);
      await ledger.exceptions.answer({ ...said(caller, id), answer, reason });
      return show(caller, id);
    },

    /** @throws Refusal `not_found`, `role_limited`, `exception_closed`. */
    async end(caller: OperatorCaller, id: ExceptionId, reason: string) {
      await reached(caller, id, MAY_ASK);
      await ledger.exceptions.end({ ...said(caller, id), reason });
      return show(caller, id);
    },

    /** @throws Refusal `not_found`, `role_limited`, `exception_closed`, `own_request`. */
    async review(caller: OperatorCaller, id: ExceptionId, note: string) {
      await reached(caller, id, MAY_REVIEW);
      await ledger.exceptions.review({ ...said(caller, id), note });
      return show(caller, id);
    },
  };
}

const aboutOf = ({ owner, environment }: ExceptionRow) => ({
  owner: owner ?? undefined,
  environment: environment ?? undefined,
});

/**
 * The scope with the owner and the environment of what it names: should that pass to somebody else, the exception does not follow.
 * @throws Refusal `invalid_request` with every fault.
 */
function fittingScope({ profiles, policies }: ActiveRules, asked: AskedException, now: Date): ExceptionScope {
  const { scope } = asked;
  const thing = scope.tool === undefined ? profiles.get(scope.profile ?? '') : policies.tools.find(scope.tool)?.tool;
  const errors = [
    ...asked.policies.flatMap((id, index) =>
      policies.overridable.includes(id)
        ? []
        : [fault(`policies.${index}`, 'is no forbid that an exception may override')],
    ),
    ...(thing ? [] : [fault(scope.tool === undefined ? 'scope.profile' : 'scope.tool', 'is not offered')]),
    ...(['owner', 'environment'] as const).flatMap((member) =>
      thing && scope[member] !== undefined && scope[member] !== thing[member]
        ? [fault(`scope.${member}`, `is not that of ${thing.name}: nothing would be covered`)]
        : [],
    ),
    ...dateFaults(asked, now),
  ];
  if (errors.length > 0 || !thing) throw new Refusal('invalid_request', { errors });
  return { ...scope, owner: thing.owner, environment: thing.environment };
}

function dateFaults({ startsAt, endsAt, reviewBy }: AskedException, now: Date) {
  const start = startsAt ?? now;
  const after = (from: Date, days: number) => new Date(from.getTime() + days * DAY_MS);
  return [
    ...(endsAt <= now || endsAt <= start ? [fault('ends_at', 'must lie ahead, and after starts_at')] : []),
    ...(endsAt > after(start, LONGEST_DAYS) ? [fault('ends_at', `must lie within ${LONGEST_DAYS} days`)] : []),
    ...(reviewBy <= start ? [fault('review_by', 'must lie after starts_at')] : []),
    ...(reviewBy > after(endsAt, LATEST_REVIEW_DAYS)
      ? [fault('review_by', `must lie within ${LATEST_REVIEW_DAYS} days of ends_at`)]
      : []),
  ];
}

const fault = (path: string, problem: string) => ({ path, problem });
