import { startRefusalCounts } from '../../src/refusal-counts.ts';

test('at the end what is being written is waited for, and what could not be is written once more', async () => {
  const written: Readonly<Record<string, number>>[] = [];
  let fail: (error: Error) => void = () => undefined;
  const first = new Promise<void>((_resolve, reject) => (fail = reject));
  let calls = 0;
  const counts = startRefusalCounts(
    async (taken) => {
      if (calls++ === 0) await first;
      written.push(taken);
    },
    () => new Date(0),
  );
  counts.count('token_invalid');
  const under = counts.close();
  counts.count('token_invalid');
  const closed = counts.close();
  fail(new Error('away'));
  await Promise.all([under, closed]);
  expect(written).toEqual([{ token_invalid: 2 }]);
});
