import { z } from 'zod';
import { NOTE_NAME } from '../domain/note-name.ts';
import { duration, name, text } from './fields.ts';

/** The section `audit` of `writ.yaml`: who signs the log's checkpoints, and who else keeps them. */

const HOUR = 3_600;

const noteName = z
  .string()
  .regex(NOTE_NAME, '{value} is not a name for a log: no space and no +, such as writ.example/log');

const upTo = (max: number, what: string) =>
  duration.refine((seconds) => seconds >= 1 && seconds <= max, `must be from 1s to ${what}`);

const webhook = z.strictObject({
  url: z.url(),
  latest: z.url().exactOptional(),
  token_file: text.exactOptional(),
  ca_file: text.exactOptional(),
});

const s3 = z.strictObject({
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, '{value} is not the name of a bucket'),
  key: text,
  region: name,
  endpoint: z.url().exactOptional(),
  access_key_id: text,
  secret_access_key: text,
  session_token: text.exactOptional(),
});

const witness = z
  .strictObject({ file: text.exactOptional(), webhook: webhook.exactOptional(), s3: s3.exactOptional() })
  .refine((given) => Object.keys(given).length === 1, 'must have exactly one of file, webhook, s3');

const sinkWebhook = z.strictObject({
  url: z.url(),
  /** As Standard Webhooks writes secrets; or a file with it. */
  secret: text.exactOptional(),
  secret_file: text.exactOptional(),
  format: z.enum(['jsonl', 'ocsf']).default('jsonl'),
  from: z.enum(['start', 'now']).default('start'),
});

const sink = z.strictObject({ name: name.exactOptional(), webhook: sinkWebhook });

export const audit = z.strictObject({
  origin: noteName.exactOptional(),
  signer: z.strictObject({ key: z.string().exactOptional(), key_file: text.exactOptional() }).exactOptional(),
  witnesses: z.array(witness).default([]),
  sinks: z.array(sink).max(20).default([]),
  seal_every: upTo(HOUR, '1h').prefault('1s'),
  publish_every: upTo(HOUR, '1h').prefault('10s'),
});
export type AuditEntry = z.infer<typeof audit>;
