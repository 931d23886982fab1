import { readdir, readFile } from 'node:fs/promises';
import { GRANT_STATES, GRANT_TRANSITIONS } from '../../src/domain/grant.ts';
import { TRANSITIONS } from './transitions/index.ts';
import { makeWorld } from './world.ts';
import type { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.calm());

const lastEvent = async () => (await world.sql<{ seq: string }>('select max(seq) as seq from events'))[0]?.seq ?? '0';
const stateOf = async (grant: string | undefined) =>
  (await world.sql<{ state: string }>('select state from grants where id = $1', [grant]))[0]?.state;

const titled = TRANSITIONS.map((row) => ({ ...row, step: row.to ? `: ${row.from ?? 'nothing'} -> ${row.to}` : '' }));
test.each(titled)('$name$step', async ({ arrange, from, to, events }) => {
  const { grant, run } = await arrange(world);
  expect(await stateOf(grant)).toBe(from);
  const before = await lastEvent();
  await run();
  expect(await stateOf(grant)).toBe(to);
  const written = await world.sql<{ type: string; tx: string; grant_id: string | null }>(
    'select type, tx::text, grant_id from events where seq > $1 order by seq',
    [before],
  );
  expect(written.map(({ type }) => type)).toEqual(events);
  expect(new Set(written.map(({ tx }) => tx)).size).toBe(Math.min(events.length, 1));
  const about = written.filter(({ type }) => /^(grant|mint)\./.test(type)).map(({ grant_id }) => grant_id);
  expect(about).toEqual(about.map(() => grant));
});

/** All that the ledger holds, in one word. */
async function everything(): Promise<string> {
  const tables = await world.sql<{ name: string }>(
    `select relname as name from pg_class where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace`,
  );
  const hashes = tables.map(({ name }) => `(select md5(string_agg(t::text, ';' order by t::text)) from ${name} t)`);
  return (await world.sql<{ all: string }>(`select concat_ws(',', ${hashes.join(', ')}) as all`))[0]?.all ?? '';
}

/** Until it is undone, events of this type cannot be written. */
async function withoutEvent(type: string, work: () => Promise<void>): Promise<void> {
  await world.sql(
    `create function no_event() returns trigger language plpgsql as $$ begin raise exception 'no room'; end $$`,
  );
  await world.sql(
    `create trigger no_event before insert on events for each row when (new.type = '${type}') execute function no_event()`,
  );
  try {
    await work();
  } finally {
    await world.sql('drop trigger no_event on events');
    await world.sql('drop function no_event');
  }
}

const steps = TRANSITIONS.flatMap((transition) => transition.events.map((event) => ({ ...transition, event })));
test.each(steps)('$name: without its event $event nothing happens', async ({ arrange, event }) => {
  const { run } = await arrange(world);
  await withoutEvent(event, async () => {
    const before = await everything();
    await expect(run()).rejects.toThrow();
    expect(await everything()).toBe(before);
  });
});

test('every legal step is walked here', () => {
  const walked = TRANSITIONS.map(({ from, to }) => `${from} -> ${to}`);
  const missing = GRANT_STATES.flatMap((from) => GRANT_TRANSITIONS[from].map((to) => `${from} -> ${to}`)).filter(
    (step) => !walked.includes(step),
  );
  expect(missing).toEqual([]);
});

/** The database's owner alone may: test/audit/archive.test.ts walks it. What calls others for many: together.test.ts. */
const ELSEWHERE = ['archive_events', 'transitions_together'];

test('every function that writes an event and that the program calls is walked here', async () => {
  const functions = await world.sql<{ name: string; text: string }>(
    `select proname as name, prosrc as text from pg_proc where pronamespace = 'public'::regnamespace`,
  );
  const calls = (text: string, name: string) => new RegExp(`\\b${name}\\s*\\(`).test(text);
  const writes = new Set(functions.filter(({ text }) => /insert into events\b/.test(text)).map(({ name }) => name));
  for (let before = -1; before < writes.size;) {
    before = writes.size;
    for (const { name, text } of functions) if ([...writes].some((other) => calls(text, other))) writes.add(name);
  }
  const rooms = new URL('../../src/ledger/', import.meta.url);
  const files = (await readdir(rooms)).filter((file) => file.endsWith('.ts'));
  const program = (await Promise.all(files.map((file) => readFile(new URL(file, rooms), 'utf8')))).join('\n');
  const called = [...writes].filter((name) => new RegExp(`'${name}'|select ${name}\\(`).test(program));
  expect(called.length).toBeGreaterThan(20);
  const walked = new Set(TRANSITIONS.map(({ name }) => name.split(',')[0]));
  expect(called.filter((name) => !walked.has(name) && !ELSEWHERE.includes(name))).toEqual([]);
});
