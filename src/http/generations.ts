import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { mayActOn } from '../domain/may-act.ts';
import type { makeApply } from '../exchange/apply.ts';
import { roles } from './authenticate.ts';
import { body } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { appliedBody } from './representations.ts';
import { noStore } from './steps.ts';

const MAX_FILES = 2_000;

export const ApplyBody = z.strictObject({
  files: z
    .record(z.string().min(1).max(300), z.string().max(1_000_000))
    .refine((files) => Object.keys(files).length <= MAX_FILES, `at most ${MAX_FILES} files`),
  dry_run: z.boolean().default(false),
});

export function generationsRouter(apply: ReturnType<typeof makeApply>, asOperator: Step, json: RequestHandler): Router {
  const activate = body(ApplyBody, async (input, _req, res) => {
    // Rules are everybody's: a role with limits does not reach them.
    if (!mayActOn(operatorOf(res).operator, 'platform', {})) throw new Refusal('role_limited', { role: 'platform' });
    const applied = await apply(operatorOf(res), input.files, input.dry_run);
    res.status(input.dry_run || applied.unchanged ? 200 : 201).json(appliedBody(applied));
  });
  const router = Router();
  router.post('/v1/generations', noStore, asOperator, roles('platform'), json, activate);
  return router;
}
