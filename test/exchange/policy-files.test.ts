import { rulesText } from '../../src/config/index.ts';
import { eachPolicyFile } from '../../src/exchange/policy-files.ts';

const generation = (n: number) =>
  rulesText({ 'policies/same.cedar': 'same', 'policies/own.cedar': `own ${n}`, 'profiles/x.yaml': 'x' });

test('a text that many generations have is read once; whoever else has work gets between', async () => {
  const read: string[] = [];
  const turns: number[] = [];
  const tick = () => {
    turns.push(read.length);
    next = setImmediate(tick);
  };
  let next = setImmediate(tick);
  const found = await eachPolicyFile([0, 1, 2].map(generation), (path, text) => {
    read.push(`${path} ${text}`);
    return [text];
  });
  clearImmediate(next);
  expect(found).toEqual([0, 1, 2].map((n) => [`own ${n}`, 'same']));
  expect([...read].sort()).toEqual([
    ...[0, 1, 2].map((n) => `policies/own.cedar own ${n}`),
    'policies/same.cedar same',
  ]);
  // never two texts without a turn between them
  expect([...new Set(turns)]).toEqual(expect.arrayContaining([1, 2, 3, 4]));
});

test('the same text under another path is another file', async () => {
  const rules = rulesText({ 'policies/a.cedar': 'text', 'policies/b.cedar': 'text' });
  expect(await eachPolicyFile([rules], (path) => [path])).toEqual([['policies/a.cedar', 'policies/b.cedar']]);
});
