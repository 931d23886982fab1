import { resolveEnvironment } from '../../src/config/environment.ts';
import type { Json } from '../../src/domain/json.ts';

const env = { NAME: 'value', EMPTY: '', TRICKY: '${NAME}\n- x: {y}' };
const resolve = (value: Json) => resolveEnvironment(value, env, () => false);

describe('variables in strings', () => {
  test.each<{ written: Json; value: Json }>([
    { written: { a: '${NAME}' }, value: { a: 'value' } },
    { written: { a: 'x-${NAME}-${NAME}' }, value: { a: 'x-value-value' } },
    { written: { a: '${MISSING:-other}' }, value: { a: 'other' } },
    { written: { a: '${EMPTY:-other}' }, value: { a: 'other' } },
    { written: { a: '${NAME:-other}' }, value: { a: 'value' } },
    { written: { a: '$NAME $${NAME} $' }, value: { a: '$NAME ${NAME} $' } },
    // what a variable says stays text
    { written: { a: '${TRICKY}' }, value: { a: '${NAME}\n- x: {y}' } },
    // names are taken as they are
    { written: { '${NAME}': 1 }, value: { '${NAME}': 1 } },
    // empty counts as left out, and only if it came from a variable
    { written: { a: '${MISSING:-}', b: '${EMPTY}', c: '' }, value: { c: '' } },
    { written: { a: ['${EMPTY}', 'x', '${NAME}', 3, null, true] }, value: { a: ['x', 'value', 3, null, true] } },
  ])('$written', ({ written, value }) => {
    expect(resolve(written)).toMatchObject({ value, faults: [] });
  });

  test.each<{ written: Json; paths: Json }>([
    { written: { a: { b: '${MISSING}' } }, paths: [['a', 'b']] },
    { written: ['${MISSING}', '${ALSO} ${MISSING}'], paths: [[0], [1], [1]] },
    { written: { a: '${not closed' }, paths: [['a']] },
    { written: { a: '${1NAME}' }, paths: [['a']] },
    { written: { a: '${aws:userid}' }, paths: [['a']] },
    { written: { a: '${__proto__}', b: '${constructor}' }, paths: [['a'], ['b']] },
  ])('are a fault in $written', ({ written, paths }) => {
    expect(resolve(written).faults.map(({ path }) => path)).toEqual(paths);
  });

  test('remember where they were put, and what they said', () => {
    const { origins, taken } = resolve({ a: ['${NAME}'], b: '${MISSING:-default}' });
    expect([...origins]).toEqual([
      ['["a",0]', ['NAME']],
      ['["b"]', ['MISSING']],
    ]);
    expect([...taken]).toEqual(['value']);
  });
});
