import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { EVENT_GROUPS, EVENT_TYPES } from '../../src/audit/catalogue/index.ts';
import { withCatalogue } from '../../src/audit/catalogue-page.ts';
import { codesOf, readPage, ROOT, sectionOf } from './pages.ts';

/** Every type of event that the migrations write is on the page with its facts, and the page has no other. */
const page = await readPage('docs/events.md');
const HEADINGS = EVENT_GROUPS.map(({ title }) => title);
const sql = await migrations();

async function migrations(): Promise<string> {
  const root = join(ROOT, 'prisma/migrations');
  const names = (await readdir(root)).filter((name) => /^\d/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(root, name, 'migration.sql'), 'utf8')));
  return texts
    .join('\n')
    .replaceAll(/^\s*--.*$/gm, '')
    .replaceAll(/\s+/g, ' ');
}

/** Type of event to the names of its facts. */
type Catalogue = Map<string, Set<string>>;

/** Each `perform emit_...event(...)`: the types that it can write, and the members of the facts, its last argument. */
function written(): Catalogue {
  const catalogue: Catalogue = new Map();
  for (const [statement] of sql.matchAll(/perform emit_(?:own_|grant_|task_)?event ?\([^;]*;/g)) {
    const facts = statement.lastIndexOf(', jsonb_build_object(');
    const types = typesOf(facts < 0 ? statement : statement.slice(0, facts));
    const names = facts < 0 ? [] : membersAt(statement.slice(facts + ', jsonb_build_object('.length));
    for (const type of types) catalogue.set(type, new Set([...(catalogue.get(type) ?? []), ...names]));
  }
  // put together by hand, because it is on the way of every call: the members between `"facts":{` and its end
  const [call = ''] = [...sql.matchAll(/insert into events [^;]*'"type":"call\.decided"[^;]*;/g)].at(-1) ?? [];
  const facts = call.slice(call.indexOf('"facts":{') + '"facts":{'.length, call.indexOf('coalesce(\'"grant":'));
  const texts = [...facts.matchAll(/\b(\w+_text)\b/g)].map(
    ([, name = '']) => new RegExp(`${name} text := ([^;]*);`).exec(sql)?.[1] ?? '',
  );
  const names = [facts, ...texts].flatMap((text) => [...text.matchAll(/"(\w+)":/g)].map(([, name = '']) => name));
  catalogue.set('call.decided', new Set(names));
  return catalogue;
}

/** `'grant.' || final` stands for what `final` may be. */
function typesOf(statement: string): string[] {
  if (statement.includes("'grant.' || final")) return FINAL.map((state) => `grant.${state}`);
  return [...statement.matchAll(/'([a-z]+\.[a-z_]+)'/g)].map((match) => match[1] ?? '');
}

const FINAL = ['expired', 'revoked', 'failed'];

/** The names of a jsonb_build_object, whose text begins behind the bracket: every other argument at its own depth. */
function membersAt(text: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let argument = '';
  let index = 0;
  for (const char of text) {
    if (depth === 0 && (char === ',' || char === ')')) {
      if (index % 2 === 0) names.push(argument.trim().replaceAll("'", ''));
      index += 1;
      argument = '';
      if (char === ')') return names;
      continue;
    }
    if ('({['.includes(char)) depth += 1;
    if (')}]'.includes(char)) depth -= 1;
    argument += char;
  }
  return names;
}

/** What stands in brackets explains a fact. */
function documented(): Catalogue {
  const rows = HEADINGS.flatMap((heading) => sectionOf(page, heading).rows);
  return new Map(
    rows.map(([type = '', , facts = '']) => [
      codesOf(type)[0] ?? '',
      new Set(codesOf(facts.replaceAll(/\([^)]*\)/g, ''))),
    ]),
  );
}

test('the page is what `npm run docs` makes of the catalogue', async () => {
  const path = join(ROOT, 'docs/events.md');
  const options = await resolveConfig(path, { config: join(ROOT, '.config/prettier.json') });
  expect(await format(withCatalogue(page), { ...options, parser: 'markdown' })).toBe(page);
});

test('the catalogue has what the migrations write: no type more or less, and the same facts', () => {
  const catalogue = EVENT_TYPES.map(({ type, facts }) => [type, Object.keys(facts).sort()]);
  expect(catalogue.sort()).toEqual([...written()].map(([type, facts]) => [type, [...facts].sort()]).sort());
  expect(new Set(EVENT_TYPES.map(({ type }) => type)).size).toBe(EVENT_TYPES.length);
});

test('the types', () => {
  const types = [...written().keys()];
  expect(types.length).toBeGreaterThan(20);
  expect([...documented().keys()].sort()).toEqual(types.sort());
});

test.each([...written()])('the facts of %s', (type, facts) => {
  expect([...(documented().get(type) ?? [])].sort()).toEqual([...facts].sort());
});

test('what a closed grant may be', () => {
  const states = /final := case[\s\S]*?end;/.exec(sql)?.[0] ?? '';
  expect(new Set([...states.matchAll(/(?:then|else) '(\w+)'/g)].map((match) => match[1]))).toEqual(new Set(FINAL));
});

test('the members of every body', () => {
  const emit = /create function emit_event[\s\S]*? end \$\$;/.exec(sql)?.[0] ?? '';
  const body = emit.slice(emit.indexOf(`'{"actor"`));
  const literal = [...body.matchAll(/[,'{]"(\w+)":/g)].map((match) => match[1] ?? '');
  const named = [...body.matchAll(/body_member\('(\w+)'/g)].map((match) => match[1] ?? '');
  const inner = ['id', 'issuer', 'kind', 'name', 'subject', 'trust'];
  const members = [...new Set([...literal, ...named])].filter((name) => !inner.includes(name));
  const cells = sectionOf(page, 'Members of every body').rows.flatMap(([cell = '']) => codesOf(cell));
  expect(cells.sort()).toEqual(members.sort());
});

test('the functions of the ledger, and the events that they write between them', async () => {
  const { rows } = sectionOf(await readPage('docs/architecture.md'), "The ledger's functions");
  const functions = rows.flatMap(([cell = '']) => codesOf(cell));
  expect(functions.length).toBeGreaterThan(15);
  expect(functions.filter((name) => !sql.includes(`create function ${name}(`))).toEqual([]);
  const types = rows.flatMap(([, , cell = '']) => codesOf(cell));
  expect([...new Set(types)].sort()).toEqual([...written().keys()].sort());
});
