import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { SinkVerbs } from '../exchange/sinks.ts';
import { body, query } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { unlimited } from './reach.ts';
import { noStore } from './steps.ts';

const sinkName = z.string().min(1).max(200);

export const DeadLettersQuery = z.strictObject({
  sink: sinkName.optional(),
  /** The page before's `next_cursor`. */
  cursor: z
    .string()
    .regex(/^\d{1,15} .{1,200}$/, 'must be a cursor of this list')
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export const ReplayBody = z.strictObject({
  sink: sinkName,
  /** Only those of this task; without it, all of the sink. */
  task: z.string().min(1).max(100).optional(),
  reason: z.string().min(1).max(1_000),
});

export function sinksRouter(sinks: SinkVerbs, asOperator: Step, json: RequestHandler): Router {
  const list = query(DeadLettersQuery, async ({ sink, cursor, limit }, _req, res) => {
    const after =
      cursor === undefined ? null : { leaf: Number(cursor.split(' ')[0]), sink: cursor.replace(/^\d+ /, '') };
    const { letters, next, states } = await sinks.deadLetters(sink ?? null, after, limit);
    res.json({
      sinks: states.map((state) => ({
        name: state.name,
        position: state.position,
        lag: state.lag,
        attempts: state.attempts,
        last_error: state.lastError,
        delivered_at: state.deliveredAt?.toISOString() ?? null,
        dead_letters: state.dead,
      })),
      dead_letters: letters.map(({ replayAt, at, dueAt, ...letter }) => ({
        ...letter,
        at: at.toISOString(),
        replay_at: replayAt?.toISOString() ?? null,
        due_at: dueAt?.toISOString() ?? null,
      })),
      ...(next ? { next_cursor: `${next.leaf} ${next.sink}` } : {}),
    });
  });

  const replay = body(ReplayBody, async (input, _req, res) => {
    res.status(202).json(await sinks.replay(operatorOf(res), { ...input, task: input.task ?? null }));
  });

  const router = Router();
  router.get('/v1/audit/dead-letters', noStore, asOperator, unlimited('auditor', 'security', 'platform'), list);
  router.post('/v1/audit/dead-letters/replay', noStore, asOperator, unlimited('security', 'platform'), json, replay);
  return router;
}
