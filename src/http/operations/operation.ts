import type { z } from 'zod';
import type { OperatorRole } from '../../domain/identity.ts';

export interface Operation {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  /** Who may call it: a workload, operators of some roles, both, or anybody. */
  readonly workload?: true;
  readonly roles?: readonly OperatorRole[];
  readonly body?: z.ZodType;
  readonly form?: z.ZodType;
  readonly query?: z.ZodType;
  /** Answers that are not problems: status and what it means. */
  readonly answers: Readonly<Record<number, string>>;
}

/** Every role: each sees what its limits let it. */
export const READERS = ['security', 'platform', 'auditor', 'approver'] as const;
