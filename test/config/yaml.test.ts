import { readYaml } from '../../src/config/yaml.ts';

describe('what two readers could understand differently is a problem', () => {
  test.each([
    { name: 'a member twice', text: 'a: 1\nb: 2\na: 3', lines: [3] },
    { name: 'a member twice, deep', text: 'x:\n  - { a: 1,\n      a: 2 }', lines: [3] },
    { name: 'an alias and its anchor', text: 'a: &x 1\nb: *x', lines: [1, 2] },
    { name: 'a merge', text: '<<: { a: 1 }', lines: [1] },
    { name: 'a tag', text: 'a: 1\nb: !!binary aGk=', lines: [2] },
    { name: 'a tag nobody knows', text: 'a: !thing 1', lines: [1, 1] },
    { name: 'a prototype', text: 'a: 1\n__proto__: { b: 1 }', lines: [2] },
    { name: 'a name that is a number', text: '1: a', lines: [1] },
    { name: 'a name that is nothing', text: '? \n: a', lines: [1] },
    { name: 'a name that is a list', text: '? [a]\n: b', lines: [1] },
    { name: 'a number too large to be kept', text: 'a: 12345678901234567890', lines: [1] },
    { name: 'an infinite number', text: 'a: .inf', lines: [1] },
    { name: 'a second document', text: 'a: 1\n---\nb: 2', lines: [2] },
    { name: 'a tab as indentation', text: 'a:\n\tb: 1', lines: [2] },
    { name: 'a list that does not end', text: 'a: [1,\n', lines: [2] },
  ])('$name', ({ text, lines }) => {
    const { value, problems } = readYaml('f.yaml', text);
    expect(value).toBeUndefined();
    expect(problems.map(({ line }) => line)).toEqual(lines);
  });
});

test.each([
  { text: '', value: null },
  { text: 'yes: no', value: { yes: 'no' } },
  { text: 'a: 0x1F\nb: -3\nc: 1.5\nd: true\ne: ~\nf: ""', value: { a: 31, b: -3, c: 1.5, d: true, e: null, f: '' } },
  { text: 'a: [1, { b: "2" }]', value: { a: [1, { b: '2' }] } },
  { text: 'on: 2026-01-01', value: { on: '2026-01-01' } },
  { text: 'a: ${NAME:-x}', value: { a: '${NAME:-x}' } },
])('the core schema of YAML 1.2: $text', ({ text, value }) => {
  expect(readYaml('f.yaml', text)).toMatchObject({ value, problems: [] });
});

test('a place is that of the value, or of the nearest thing around it', () => {
  const file = readYaml('f.yaml', 'a:\n  b:\n    - x\n    - { c: 1 }\nd: 2\n');
  expect(file.lineOf([])).toBe(1);
  expect(file.lineOf(['a', 'b', 0])).toBe(3);
  expect(file.lineOf(['a', 'b', 1, 'c'])).toBe(4);
  expect(file.lineOf(['a', 'b', 1, 'missing'])).toBe(4);
  expect(file.lineOf(['a', 'b', 7])).toBe(2);
  expect(file.lineOf(['d'])).toBe(5);
  expect(file.problem(['a', 'b', 1, 'c'], 'is wrong')).toEqual({
    file: 'f.yaml',
    line: 4,
    message: 'a.b[1].c is wrong',
  });
});
