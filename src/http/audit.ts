import { Router } from 'express';
import { z } from 'zod';
import { toOcsf } from '../audit/ocsf.ts';
import { Refusal } from '../domain/errors.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import type { JsonObject } from '../domain/json.ts';
import type { EvidenceReads, ProofQuestion } from '../exchange/evidence.ts';
import type { EventPage } from '../ledger/index.ts';
import { roles } from './authenticate.ts';
import { query } from './body.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';
import { unlimited } from './reach.ts';
import { noStore } from './steps.ts';
import { anyTime } from './time.ts';

const name = z.string().min(1).max(2_048).optional();
/** A leaf, or a number of events. */
const count = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);

export const EventsQuery = z.strictObject({
  /** The leaf to begin with: the page before's `next_cursor`. */
  cursor: count.optional(),
  task: name,
  grant: name,
  type: name,
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  format: z.enum(['object', 'text', 'ocsf']).default('object'),
});

type Format = z.output<typeof EventsQuery>['format'];

export const ProofQuery = z.strictObject({
  leaf: count.optional(),
  seq: count.optional(),
  old_size: count.optional(),
  first: count.optional(),
  end: count.optional(),
  size: count.optional(),
});

const instant = anyTime.transform((text) => new Date(text)).optional();
export const RangeQuery = z.strictObject({ from: instant, to: instant });

export function auditRouter(reads: EvidenceReads, version: string, asOperator: Step): Router {
  const checkpoint: Step = async (_req, res) => {
    const { origin, size, root, note, key } = await reads.checkpoint();
    res.json({ origin, size, root: Buffer.from(root).toString('base64'), checkpoint: note, key });
  };

  const proof = query(ProofQuery, async (input, _req, res) => {
    res.json(await reads.proof(questionOf(input), input.size));
  });

  const range = query(RangeQuery, async ({ from, to }, _req, res) => {
    res.json(await reads.range(from ?? null, to ?? null));
  });

  const events = query(EventsQuery, async ({ cursor, limit, format, task, grant, type }, _req, res) => {
    const page = await reads.events(operatorOf(res), cursor ?? 0, limit, { task, grant, type });
    res.type('application/json').send(eventsText(page, format, version));
  });

  const router = Router();
  const readers = unlimited('auditor', 'security', 'platform');
  router.get('/v1/events', noStore, asOperator, readers, events);
  router.get('/v1/audit/checkpoint', noStore, asOperator, roles(...OPERATOR_ROLES), checkpoint);
  router.get('/v1/audit/proof', noStore, asOperator, roles(...OPERATOR_ROLES), proof);
  router.get('/v1/audit/range', noStore, asOperator, roles(...OPERATOR_ROLES), range);
  return router;
}

/** An event's text is put in as it stands: parsing and writing it again could change what was sealed. */
function eventsText({ events, next, size }: EventPage, format: Format, version: string): string {
  const items = events.map(({ leaf, body }) => {
    if (format === 'object') return `{"leaf":${leaf},"event":${body}}`;
    if (format === 'text') return `{"leaf":${leaf},"body":${JSON.stringify(body)}}`;
    return `{"leaf":${leaf},"ocsf":${JSON.stringify(toOcsf(JSON.parse(body) as JsonObject, leaf, version))}}`;
  });
  return `{"events":[${items.join(',')}],"next_cursor":"${next}","more":${next < size},"size":${size}}`;
}

function questionOf({ leaf, seq, old_size: oldSize, first, end }: z.output<typeof ProofQuery>): ProofQuestion {
  const asked: ProofQuestion[] = [];
  if (leaf !== undefined) asked.push({ kind: 'inclusion', leaf });
  if (seq !== undefined) asked.push({ kind: 'inclusion', seq: String(seq) });
  if (oldSize !== undefined) asked.push({ kind: 'consistency', oldSize });
  if (first !== undefined && end !== undefined) asked.push({ kind: 'range', first, end });
  const half = (first === undefined) !== (end === undefined);
  const [question, ...more] = asked;
  if (question && more.length === 0 && !half) return question;
  throw new Refusal('invalid_request', {
    errors: [{ path: 'query', problem: 'one of leaf, seq, old_size, or first with end' }],
  });
}
