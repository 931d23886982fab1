import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { makeClient } from '../../src/client/index.ts';
import { paired, table } from './paired.ts';
import type { Part } from './part.ts';
import type { Row } from './paired.ts';

const CALLERS = [1, 8, 64];
const ROUNDS = 7;
const COUNT = 10_000;
const PROFILE = 'tools-refund-read';
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/**
 * What sealing costs: two brokers that differ in nothing but how often they seal, each with its own ledger on one server, in turn.
 * The one that seals has caught up before the other is measured.
 */
export const sealer: Part = {
  name: 'sealer',
  async run(world) {
    const on = await world.startBroker({ name: 'sealed' });
    const off = await world.startBroker({ name: 'unsealed', audit: { seal_every: '1h', publish_every: '1h' } });
    try {
      const each = Math.ceil(COUNT / ROUNDS / (world.quick ? 4 : 1));
      const rows: Row[] = [];
      let longest = 0;
      for (const callers of CALLERS) {
        const asked = { profile: PROFILE, callers, count: each, tokens: world.tokens };
        const measured = async () => {
          const figures = await on.issuances(asked);
          longest = Math.max(longest, await metric(on.url, 'writ_log_unsealed_seconds'));
          while ((await metric(on.url, 'writ_log_unsealed_seconds')) > 0) await sleep(20);
          return figures;
        };
        rows.push(await paired(ROUNDS, () => off.issuances(asked), measured));
      }
      table(world.say, 'jwt, events sealed, beside the same not sealed', 'unsealed', rows);
      const size = await metric(on.url, 'writ_log_size');
      world.say(`  ${size} events sealed; under load the oldest one waited ${longest.toFixed(2)} s\n`);
    } finally {
      await off.stop();
      await on.stop();
    }
  },
};

/** `writ audit verify` on a ledger and on its export, as users run it. */
export const verify: Part = {
  name: 'verify',
  async run(world) {
    const broker = await world.startBroker({ name: 'verified' });
    try {
      const count = world.quick ? 5_000 : 50_000;
      await broker.issuances({ profile: PROFILE, callers: 16, count, tokens: world.tokens, ttlSeconds: 60 });
      while ((await metric(broker.url, 'writ_log_unsealed_seconds')) > 0) await sleep(50);
      const token = await world.bench.issuer.operatorToken('auditor');
      const { key } = await makeClient({ url: broker.url, operatorToken: () => token }).operator.checkpoint();
      const file = join(world.bench.state, 'export.jsonl');
      const exported = await writ(['export', '--out', file, '--url', broker.url], { WRIT_OPERATOR_TOKEN: token });
      await broker.stop();
      const size = await sizeOf(broker.ledgerUrl);
      const ledger = await writ(['verify', '--database', broker.ledgerUrl, '--key', key], {});
      const alone = await writ(['verify', '--export', file, '--key', key], {});
      const mib = (await stat(file)).size / 1024 / 1024;
      const rate = (seconds: number) => `${(size / seconds).toFixed(0)} events per second (${seconds.toFixed(1)} s)`;
      world.say(`writ audit, ${size} events, ${mib.toFixed(0)} MiB of export; the start of the program included`);
      world.say(`  verify the ledger, its tables included: ${rate(ledger)}`);
      world.say(`  verify the export: ${rate(alone)}`);
      world.say(`  export: ${rate(exported)}\n`);
    } finally {
      await broker.stop();
    }
  },
};

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

async function sizeOf(ledgerUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: ledgerUrl });
  await client.connect();
  const { rows } = await client.query<{ size: number }>('select size::float8 as size from log_head');
  await client.end();
  return rows[0]?.size ?? 0;
}

/** Seconds. @throws Error where it finds anything. */
async function writ(args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, [MAIN, 'audit', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`writ audit ${args[0]} ended with ${code}`);
  return (performance.now() - start) / 1000;
}
