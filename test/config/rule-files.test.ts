import { createHash } from 'node:crypto';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { filesOf, parseRulesText, readRules, rulesHash, rulesText, scanRules } from '../../src/config/index.ts';
import { MAX_FILE_BYTES, checkRuleFiles } from '../../src/config/rule-files.ts';
import { problemsOf } from './problems.ts';
import { removeTrees, tree } from './tree.ts';

afterAll(removeTrees);

test('the files of the rules, sorted, and nothing else of the directory', async () => {
  const directory = await tree({
    'writ.yaml': 'x',
    'bundle.json': '{}',
    'cases/a.yaml': 'x',
    'profiles/b.yaml': 'b',
    'profiles/a.yaml': 'ä',
    'policies/z.cedar': 'z',
    'policies/schema.cedarschema': 's',
    'tools/t.yaml': 't',
  });
  expect(Object.entries(await readRules(directory))).toEqual([
    ['policies/schema.cedarschema', 's'],
    ['policies/z.cedar', 'z'],
    ['profiles/a.yaml', 'ä'],
    ['profiles/b.yaml', 'b'],
    ['tools/t.yaml', 't'],
  ]);
});

test('what editors and mounts leave behind is passed over', async () => {
  const directory = await tree({
    'profiles/a.yaml': 'a',
    'profiles/.a.yaml.swp': Uint8Array.of(0, 255),
    'profiles/a.yaml~': 'old',
    'profiles/#a.yaml#': 'unsaved',
    'profiles/.gitkeep': '',
    'policies/..data/x.cedar': 'x',
  });
  await symlink('nobody@nowhere.1:2', join(directory, 'profiles/.#a.yaml'));
  await symlink('..data/x.cedar', join(directory, 'policies/x.cedar'));
  expect(await readRules(directory)).toEqual({ 'profiles/a.yaml': 'a', 'policies/x.cedar': 'x' });
});

describe('a file that is not taken', () => {
  const big = 'x'.repeat(MAX_FILE_BYTES + 1);
  test.each([
    {
      name: 'an unknown ending',
      path: 'profiles/a.yml',
      content: '',
      want: /profiles\/a\.yml is not known to this version/,
    },
    { name: 'another kind of file', path: 'policies/a.yaml', content: '', want: /policies\/a\.yaml is not known/ },
    { name: 'another schema', path: 'policies/other.cedarschema', content: '', want: /is not known/ },
    { name: 'another ending of a tool', path: 'tools/a.json', content: '', want: /tools\/a\.json is not known/ },
    { name: 'a folder', path: 'profiles/more/a.yaml', content: '', want: /profiles\/more is not a file/ },
    { name: 'a strange name', path: 'profiles/a b.yaml', content: '', want: /has a name with more than/ },
    { name: 'a large one', path: 'profiles/a.yaml', content: big, want: /is larger than 262144 bytes/ },
    { name: 'not UTF-8', path: 'profiles/a.yaml', content: Uint8Array.of(0xc3, 0x28), want: /is not UTF-8 text/ },
    {
      name: 'a control character',
      path: 'profiles/a.yaml',
      content: 'a\nb\u0000',
      want: /a\.yaml:2 has a control character \(U\+0000\)/,
    },
  ])('$name', async ({ path, content, want }) => {
    const directory = await tree({ [path]: content });
    const problems = await problemsOf(() => readRules(directory));
    expect(problems).toEqual([expect.stringMatching(want)]);
    expect(problems[0]).toContain(directory);
  });

  test('a link that leads out', async () => {
    const outside = await tree({ 'secret.yaml': 'secret' });
    const directory = await tree({ 'profiles/a.yaml': 'a' });
    await symlink(join(outside, 'secret.yaml'), join(directory, 'profiles/b.yaml'));
    await symlink('/nowhere', join(directory, 'profiles/c.yaml'));
    expect(await problemsOf(() => readRules(directory))).toEqual([
      `${directory}/profiles/b.yaml is a link to a place outside the rules directory`,
      `${directory}/profiles/c.yaml cannot be read`,
    ]);
  });

  test('a folder that leads out', async () => {
    const outside = await tree({ 'a.yaml': 'secret' });
    const directory = await tree({});
    await symlink(outside, join(directory, 'profiles'));
    expect(await problemsOf(() => readRules(directory))).toEqual([
      expect.stringMatching(/outside the rules directory/),
    ]);
  });

  test('more than all may have together', async () => {
    const half = 'x'.repeat(MAX_FILE_BYTES);
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`profiles/p${index}.yaml`, half]));
    expect(await problemsOf(async () => readRules(await tree(many)))).toEqual([
      expect.stringMatching(/the rules are larger than 2097152 bytes together/),
    ]);
  });
});

test('a directory that is not there is a problem; one without rules has none', async () => {
  const directory = await tree({});
  expect(await readRules(directory)).toEqual({});
  expect(await problemsOf(() => readRules(join(directory, 'gone')))).toEqual([
    `${directory}/gone cannot be read (ENOENT)`,
  ]);
  await mkdir(join(directory, 'profiles'));
  expect(await readRules(directory)).toEqual({});
});

test('a folder that cannot be read is not an empty one', async () => {
  const directory = await tree({ profiles: 'a file', 'policies/p.cedar': 'p' });
  expect(await problemsOf(() => readRules(directory))).toEqual([`${directory}/profiles cannot be read (ENOTDIR)`]);
});

test('what can be read is read beside what cannot, for whoever reports everything', async () => {
  const directory = await tree({ 'profiles/a.yaml': 'a', 'profiles/b.yaml': Uint8Array.of(0xff), 'tools/t.yaml': 't' });
  const { files, problems } = await scanRules(directory);
  expect(Object.keys(files)).toEqual(['profiles/a.yaml', 'tools/t.yaml']);
  expect(problems.map(({ file }) => file)).toEqual(['profiles/b.yaml']);
});

test('files that came over the network are held against the same bounds', () => {
  const found = checkRuleFiles({
    'profiles/../../etc/x.yaml': '',
    'profiles/a.yaml': '\u001b[2J',
    'tools/x.cedar': '',
    'profiles/b.yaml': '\ud800',
    ...(JSON.parse('{"__proto__": "x"}') as Record<string, string>),
  });
  expect(found.map(({ file }) => file).sort()).toEqual([
    '__proto__',
    'profiles/../../etc/x.yaml',
    'profiles/a.yaml',
    'profiles/b.yaml',
    'tools/x.cedar',
  ]);
});

describe('the text of a generation', () => {
  const files = { 'profiles/b.yaml': 'b "ü"\n', 'policies/a.cedar': 'a' };

  test('is canonical, and its hash is over it', () => {
    const text = rulesText(files);
    expect(text).toBe('{"files":{"policies/a.cedar":"a","profiles/b.yaml":"b \\"ü\\"\\n"}}');
    expect(rulesHash(text)).toBe(createHash('sha256').update(text, 'utf8').digest('hex'));
    expect(parseRulesText(text)).toEqual(files);
    expect(rulesText(parseRulesText(text))).toBe(text);
  });

  test.each([
    '',
    '{}',
    '[]',
    'null',
    '{"files":{"b":1}}',
    '{"files":{"b":"","a":""}}',
    '{"files":{},"more":1}',
    '{ "files":{}}',
  ])('is not %s', async (text) => {
    expect(await problemsOf(() => parseRulesText(text))).toEqual(['. is not the text of a generation']);
  });

  test.each([undefined, null, 1, [], {}, { files: [] }, { files: { a: 1 } }, { files: {}, more: 1 }])(
    'is not made of %j',
    (value) => {
      expect(filesOf(value)).toBeUndefined();
    },
  );
});
