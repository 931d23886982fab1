import type { Request, RequestHandler, Response } from 'express';
import { Refusal } from '../domain/errors.ts';
import type { Identity, Operator } from '../domain/identity.ts';
import type { TaskId } from '../domain/ids.ts';

export type Principal =
  | { readonly kind: 'workload'; readonly identity: Identity }
  | { readonly kind: 'operator'; readonly operator: Operator };

/** What the steps of a request hand on: `res.locals`. */
export interface Context extends Record<string, unknown> {
  requestId: string;
  origin: string | null;
  principal?: Principal;
  /** The task whose token was shown, and is the caller's. */
  task?: TaskId;
  /** Counts evidence that was refused. */
  countRefused?: (code: string) => void;
}

type Parameters = Record<string, string>;
export type Step = RequestHandler<Parameters, unknown, unknown, Request['query'], Context>;
export type Req = Request<Parameters, unknown, unknown, Request['query'], Context>;
export type Res = Response<unknown, Context>;

/** The workload that asks. @throws Refusal `not_a_workload`. */
export function workloadOf(res: Res): { identity: Identity; origin: string | null } {
  const { principal, origin } = res.locals;
  if (principal?.kind !== 'workload') throw new Refusal('not_a_workload');
  return { identity: principal.identity, origin };
}

/** The operator who asks. @throws Refusal `not_an_operator`. */
export function operatorOf(res: Res): { operator: Operator; origin: string | null } {
  const { principal, origin } = res.locals;
  if (principal?.kind !== 'operator') throw new Refusal('not_an_operator');
  return { operator: principal.operator, origin };
}
