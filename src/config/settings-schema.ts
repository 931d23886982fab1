import { z } from 'zod';
import { isJsonObject } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import { audit } from './audit-schema.ts';
import { databaseUrl, duration, hostAndPort, integer, name, network, origin, text } from './fields.ts';
import { ATTESTED } from '../domain/trust.ts';
import { CLIENT_RIGHTS } from './settings.ts';

/** The shape of `writ.yaml`. What belongs to a kind stays as it is here, and is held against the kind's own schema. */

const DAY = 86_400;
const file = text;

/** Members that all kinds of trust entry share; the rest is the kind's. */
export const trustEntry = z.looseObject({
  name,
  kind: z.string(),
  vouches_for: duration.exactOptional(),
  max_age: duration.exactOptional(),
  attests: z.array(z.enum(ATTESTED)).min(1, 'must name whom it attests').prefault(['workloads']),
  development: z.boolean().exactOptional(),
});

export const operatorEntry = z.looseObject({
  issuer: z.url(),
  audience: text,
  development: z.boolean().exactOptional(),
});

/** `when`: empty means off. */
export const providerEntry = z.looseObject({ kind: z.string(), when: z.string().exactOptional() });

const server = z.strictObject({
  host: text.default('127.0.0.1'),
  port: integer(0, 65_535).default(8080),
  public_url: origin.exactOptional(),
  tls: z
    .strictObject({
      cert: file,
      key: file,
      client_ca: z.never('is not offered by this version: nothing asks for client certificates').exactOptional(),
    })
    .exactOptional(),
  trusted_proxies: z.array(network).default([]),
});

const client = z.strictObject({
  trust: name,
  id: text,
  may: z.array(z.enum(CLIENT_RIGHTS)).min(1),
  audiences: z.array(text).default([]),
});

const encryptionKey = z.strictObject({
  id: name,
  key: z.string().exactOptional(),
  file: file.exactOptional(),
  development: z.boolean().exactOptional(),
});

const limits = z.strictObject({
  refusals_per_minute: integer(1, 1_000_000).default(300),
  workload_burst: integer(1, 1_000_000).default(100),
  workload_per_second: integer(1, 1_000_000).default(50),
  live_grants: integer(1, 10_000_000).default(1_000),
  open_tasks: integer(1, 1_000_000).default(1_000),
  pending_approvals: integer(1, 100_000).default(50),
});

const [SHORTEST, LONGEST] = [60, 7 * DAY];

const webhook = z.strictObject({
  url: text,
  secret: text.exactOptional(),
  secret_file: file.exactOptional(),
  format: z.enum(['json', 'slack']).default('json'),
});

const approvals = z.strictObject({
  lifetime: duration.refine((seconds) => seconds >= SHORTEST && seconds <= LONGEST, 'must be 1m to 7d').prefault('1h'),
  notify: z.array(z.strictObject({ webhook })).default([]),
});

/** No token of a task may outlive the longest life of tokens. */
const tasks = z
  .strictObject({
    default_life: duration.prefault('1h'),
    max_life: duration.refine((seconds) => seconds <= 30 * DAY, 'must be at most 30d').prefault('24h'),
    max_hops: integer(0, 10).default(4),
  })
  .refine(({ default_life, max_life }) => default_life <= max_life, {
    path: ['default_life'],
    message: 'must be at most max_life',
  });

export const writYaml = z.strictObject({
  server: server.prefault({}),
  database: z.strictObject({ url: databaseUrl.exactOptional() }).prefault({}),
  identity: z.strictObject({ audience: text.exactOptional(), trust: z.array(z.unknown()).default([]) }).prefault({}),
  operators: z.strictObject({ trust: z.array(z.unknown()).default([]) }).prefault({}),
  providers: z.record(name, z.unknown()).default({}),
  clients: z.record(name, client).default({}),
  keys: z
    .strictObject({
      encryption: z.array(encryptionKey).min(1),
      rotate_every: duration.refine((seconds) => seconds >= DAY, 'must be at least 1d').prefault('30d'),
    })
    .exactOptional(),
  audit: audit.prefault({}),
  approvals: approvals.prefault({}),
  limits: limits.prefault({}),
  tasks: tasks.prefault({}),
  outbound: z.strictObject({ allow: z.array(hostAndPort).default([]) }).prefault({}),
  rules: text.default('.'),
});

/** The sections that are right, defaults for the others: so that one section's problem does not hide another's. */
export function salvage(value: Json): WritYaml {
  const { shape } = writYaml;
  const none = writYaml.parse({});
  const keep = <T>(schema: z.ZodType<T>, section: string, otherwise: T): T => {
    const result = schema.safeParse(isJsonObject(value) ? value[section] : undefined);
    return result.success ? result.data : otherwise;
  };
  const keys = keep(shape.keys, 'keys', undefined);
  return {
    ...none,
    ...(keys && { keys }),
    server: keep(shape.server, 'server', none.server),
    database: keep(shape.database, 'database', none.database),
    identity: keep(shape.identity, 'identity', none.identity),
    clients: keep(shape.clients, 'clients', none.clients),
    audit: keep(shape.audit, 'audit', none.audit),
    tasks: keep(shape.tasks, 'tasks', none.tasks),
    approvals: keep(shape.approvals, 'approvals', none.approvals),
    rules: keep(shape.rules, 'rules', none.rules),
  };
}

export type WritYaml = z.infer<typeof writYaml>;
export type WebhookEntry = z.infer<typeof webhook>;
export type EncryptionKeyEntry = z.infer<typeof encryptionKey>;
