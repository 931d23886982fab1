import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import type { makeApply } from '../exchange/apply.ts';
import type { GenerationView } from '../ledger/index.ts';
import { body } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { unlimited } from './reach.ts';
import { appliedBody, generationBody } from './representations.ts';
import { noStore } from './steps.ts';

const MAX_FILES = 2_000;

export const ApplyBody = z.strictObject({
  files: z
    .record(z.string().min(1).max(300), z.string().max(1_000_000))
    .refine((files) => Object.keys(files).length <= MAX_FILES, `at most ${MAX_FILES} files`),
  dry_run: z.boolean().default(false),
});

export interface GenerationVerbs {
  readonly apply: ReturnType<typeof makeApply>;
  readonly find: (which: { number?: number; hash?: string }) => Promise<GenerationView | null>;
  readonly filesOf: (text: string) => object;
}

export function generationsRouter(
  { apply, find, filesOf }: GenerationVerbs,
  asOperator: Step,
  json: RequestHandler,
): Router {
  const activate = body(ApplyBody, async (input, _req, res) => {
    const applied = await apply(operatorOf(res), input.files, input.dry_run);
    res.status(input.dry_run || applied.unchanged ? 200 : 201).json(appliedBody(applied));
  });
  const show: Step = async (req, res) => {
    const which = whichOf(req.params['id'] ?? '');
    const found = which && (await find(which));
    if (!found) throw new Refusal('not_found');
    res.json(generationBody(found, filesOf(found.text.body)));
  };

  const router = Router();
  // Rules are everybody's: a role with limits does not reach them.
  router.get('/v1/generations/:id', noStore, asOperator, unlimited('platform', 'auditor'), show);
  router.post('/v1/generations', noStore, asOperator, unlimited('platform'), json, activate);
  return router;
}

/** A number, a hash, or `active`. */
function whichOf(id: string): { number?: number; hash?: string } | undefined {
  if (id === 'active') return {};
  if (/^[1-9][0-9]{0,8}$/.test(id)) return { number: Number(id) };
  return /^[0-9a-f]{64}$/.test(id) ? { hash: id } : undefined;
}
