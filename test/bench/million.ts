import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { makeSealer } from '../../src/audit/sealer.ts';
import { makeLedger } from '../../src/ledger/index.ts';
import type { Part } from './part.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** A grant from its decision to its confirmed end. */
const EVENTS_OF_A_GRANT = 7;
const BATCH = 5_000;

/** The life of so many grants, each as the broker has it, one behind the other: the ledger's own functions, called from inside. */
const LIVES = `do $do$
declare
  of text;
  who text;
  mint text;
  ends text := utc_text(now() + interval '10 minutes');
  generation bigint := (select max(number) from generations);
  operator jsonb := '{"kind":"operator","issuer":"https://sso.test","subject":"ada"}';
begin
  for n in FIRST..LAST loop
    of := lpad(n::text, 12, '0');
    mint := 'm' || of;
    who := 'spiffe://bench.example/ns/shop/agent/' || n % 100;
    perform open_grant(jsonb_build_object(
      'decision', jsonb_build_object('id', 'd' || of, 'action', 'issue', 'generation', generation, 'rules_hash', repeat('ab', 32), 'trust', 'mesh', 'subject', who,
        'resource', 'orders-read', 'outcome', 'allow', 'policies', jsonb_build_array('agents-read'), 'controls', jsonb_build_array('NIST-CSF-2.0:PR.AA-05'),
        'errors', '[]'::jsonb, 'mode', 'autonomous', 'origin', '192.0.2.7', 'inputs', jsonb_build_object('action', 'issue', 'principal', jsonb_build_object('id', who,
          'trust', 'mesh', 'attributes', jsonb_build_object('team', 'shop', 'site', 'one')), 'resource', jsonb_build_object('name', 'orders-read', 'owner', 'payments',
          'environment', 'production', 'effect', 'read', 'provider', 'orders-db'), 'context', jsonb_build_object('requestedTtl', 600, 'parameters', '{}'::jsonb,
          'task', jsonb_build_object('purpose', 'look up an order', 'mode', 'autonomous', 'environment', 'production')))),
      'task', jsonb_build_object('id', 't' || of, 'purpose', 'look up an order', 'mode', 'autonomous', 'environment', 'production', 'on_behalf_of', null,
        'principal', null, 'chain', '[]'::jsonb, 'ends_at', null, 'there', false),
      'grant', jsonb_build_object('id', 'g' || of, 'profile', 'orders-read', 'provider', 'orders-db', 'owner', 'payments', 'environment', 'production',
        'effect', 'read', 'parameters', jsonb_build_object('month', '2026-11'), 'ttl_seconds', 600, 'ttl_decided_by', 'profile_default', 'expires_at', ends,
        'revocability', jsonb_build_object('mode', 'immediate')),
      'mint', jsonb_build_object('id', mint, 'request', jsonb_build_object('role', 'reader'), 'deadline_seconds', 60), 'origin', '192.0.2.7'));
    perform activate_mint(jsonb_build_object('mint', mint, 'epoch', 1, 'handle', jsonb_build_object('login', mint), 'expires_at', ends, 'origin', '192.0.2.7'));
    perform end_grant(jsonb_build_object('grant', 'g' || of, 'why', 'revocation', 'reason', 'done', 'actor', operator, 'origin', '192.0.2.7'));
    perform close_mint(jsonb_build_object('mint', mint, 'epoch', (select epoch from mints where id = mint), 'outcome', 'ended', 'cleanup', false));
  end loop;
end $do$`;

/** `writ audit verify` on a ledger of a million events: how fast, and with how much memory. Takes minutes: only when it is named. */
export const million: Part = {
  name: 'verify-million',
  byName: true,
  async run(world) {
    const events = world.quick ? 200_000 : 1_000_000;
    const broker = await world.startBroker({ name: 'million', audit: { seal_every: '1h', publish_every: '1h' } });
    await broker.stop();
    const owner = new pg.Client({ connectionString: broker.ledgerUrl });
    await owner.connect();
    const ledger = makeLedger({ url: broker.ledgerUrl, timeoutMs: 120_000 });
    const seal = makeSealer(ledger.sealing);
    const grants = Math.ceil(events / EVENTS_OF_A_GRANT);
    for (let first = 1; first <= grants; first += BATCH) {
      const last = Math.min(grants, first + BATCH - 1);
      await owner.query(LIVES.replace('FIRST', String(first)).replace('LAST', String(last)));
      while ((await seal(false)).more);
    }
    await owner.query('vacuum analyze');
    const { size } = await ledger.sealing.head();
    await ledger.close();
    await owner.end();
    const { seconds, mib, said } = await verify(broker.ledgerUrl);
    world.say(`writ audit verify, a ledger of ${size} events: ${said}`);
    world.say(`  ${(size / seconds).toFixed(0)} events per second (${seconds.toFixed(1)} s), at most ${mib} MiB\n`);
  },
};

async function verify(url: string): Promise<{ seconds: number; mib: number; said: string }> {
  const start = performance.now();
  const report = `data:text/javascript,process.on("exit",()=>console.log("peak "+process.resourceUsage().maxRSS))`;
  const child = spawn(process.execPath, ['--import', report, MAIN, 'audit', 'verify', '--database', url], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`writ audit verify ended with ${String(code)}:\n${text.slice(0, 2_000)}`);
  const seconds = (performance.now() - start) / 1000;
  const peak = [...text.matchAll(/^peak (\d+)$/gm)].map(([, kib]) => Number(kib));
  return { seconds, mib: Math.round(Math.max(...peak) / 1024), said: text.split('\n')[0] ?? '' };
}
