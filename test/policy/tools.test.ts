import type { JsonObject } from '../../src/domain/json.ts';
import type { Tool } from '../../src/domain/tool.ts';
import { patternFault } from '../../src/config/pattern.ts';
import { makeToolSet } from '../../src/policy/index.ts';
import { minorUnits } from '../../src/policy/tools/minor.ts';
import { toolFaults } from '../../src/policy/tools/tool-set.ts';

const tool = (changes: Partial<Tool> = {}): Tool => ({
  name: 'refund',
  owner: 'payments',
  environment: 'production',
  effect: 'purchase',
  arguments: { type: 'object', properties: { amount: { type: 'number' }, order: { type: 'string' } } },
  mapping: {},
  limits: {},
  record: { arguments: 'none', redact: [] },
  report: false,
  ...changes,
});

const faults = (changes: Partial<Tool>) =>
  toolFaults(tool(changes), patternFault).map(({ path, message }) => `${path.join('.')} ${message}`);

describe('a schema that is not taken', () => {
  test.each<{ name: string; schema: JsonObject; want: RegExp[] }>([
    { name: 'of no object', schema: { type: 'string' }, want: [/^arguments\.type must be object/] },
    { name: 'without a type', schema: { properties: {} }, want: [/^arguments\.type must be object/] },
    {
      name: 'a keyword that is not known',
      schema: { type: 'object', properties: { a: { typ: 'string' } } },
      want: [/^arguments\.properties\.a\.typ is not taken here; known are type, enum/],
    },
    {
      name: 'a reference',
      schema: { type: 'object', $ref: 'https://example.com/x' },
      want: [/^arguments\.\$ref is not taken/],
    },
    { name: 'an id', schema: { type: 'object', $id: 'x' }, want: [/^arguments\.\$id is not taken/] },
    {
      name: 'a format',
      schema: { type: 'object', properties: { a: { type: 'string', format: 'email' } } },
      want: [/^arguments\.properties\.a\.format is not checked here: say it with pattern/],
    },
    {
      name: 'a pattern that is not of the whole text',
      schema: { type: 'object', properties: { a: { type: 'string', pattern: '[0-9]', maxLength: 9 } } },
      want: [/pattern must say what the whole text is/],
    },
    {
      name: 'a pattern that could take long',
      schema: { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$', maxLength: 9 } } },
      want: [/pattern could take too long/],
    },
    {
      name: 'a pattern of alternatives of which only one is anchored',
      schema: { type: 'object', properties: { a: { type: 'string', pattern: '^a|b$', maxLength: 9 } } },
      want: [/pattern says what only a part of the text is/],
    },
    {
      name: 'or two groups of which each is',
      schema: { type: 'object', properties: { a: { type: 'string', pattern: '^(?:a)|(?:b)$', maxLength: 9 } } },
      want: [/pattern says what only a part of the text is/],
    },
    {
      name: 'a pattern whose end is escaped',
      schema: { type: 'object', properties: { a: { type: 'string', pattern: '^a\\$', maxLength: 9 } } },
      want: [/pattern is not a regular expression/],
    },
    {
      name: 'a pattern on text of any length',
      schema: { type: 'object', properties: { a: { type: 'string', pattern: '^a*$' } } },
      want: [/pattern needs a maxLength of at most 256/],
    },
    {
      name: 'unique items without a bound, deep inside',
      schema: {
        type: 'object',
        properties: { a: { anyOf: [{ type: 'array', uniqueItems: true, items: { type: 'string' } }] } },
      },
      want: [/^arguments\.properties\.a\.anyOf\.0\.uniqueItems needs a maxItems/],
    },
    {
      name: 'what is no schema to Ajv either',
      schema: { type: 'object', properties: { a: { type: 'strin' } } },
      want: [/^arguments is not a JSON Schema/],
    },
    {
      name: 'what only seems to say something',
      schema: { type: 'object', properties: { a: { type: 'string', minimum: 5 } } },
      want: [/^arguments is not a JSON Schema: .*minimum/],
    },
    {
      name: 'a branch that is none',
      schema: { type: 'object', properties: { a: 5 } },
      want: [/^arguments\.properties\.a must be a map/],
    },
    {
      name: 'everything at once',
      schema: { type: 'array', if: {}, properties: { a: { format: 'date' } } },
      want: [/^arguments\.if/, /^arguments\.properties\.a\.format/, /^arguments\.type/],
    },
  ])('$name', ({ schema, want }) => {
    const found = faults({ arguments: schema });
    expect(found).toHaveLength(want.length);
    want.forEach((pattern, index) => expect(found[index]).toMatch(pattern));
  });
});

describe('an expression that is not taken', () => {
  test.each<{ cel: string; type?: 'String' | 'Long' | 'Bool' | 'SetOfString'; want: RegExp }>([
    { cel: 'arguments.', want: /^mapping\.x\.cel cannot be read: / },
    { cel: 'nothing.order', want: /cannot be read: Unknown variable: nothing/ },
    { cel: 'arguments.amuont', want: /reads arguments\.amuont, which the schema does not know/ },
    { cel: 'arguments["amuont"]', want: /reads arguments\.amuont/ },
    { cel: 'has(arguments.x) ? "a" : "b"', want: /reads arguments\.x/ },
    { cel: '1', want: /gives int, not string/ },
    { cel: '"1"', type: 'Long', want: /gives string, not int/ },
    { cel: 'arguments.amount * 100.0', type: 'Long', want: /gives double, not int: minor\(\.\.\., 2\) makes cents/ },
    { cel: '1 + "a"', want: /cannot be read: / },
    { cel: 'arguments.order.matches("(a+)+$")', type: 'Bool', want: /must not use matches/ },
    { cel: 'matches(arguments.order, "(a+)+$")', type: 'Bool', want: /must not use matches|cannot be read/ },
    { cel: 'cel.bind(a, arguments.order, a + a)', want: /must not use cel\.bind/ },
    { cel: '[1].all(x, [2].all(y, x == y))', type: 'Bool', want: /must not iterate inside an iteration/ },
    { cel: `${'1+'.repeat(500)}1`, type: 'Long', want: /cannot be read/ },
  ])('$cel', ({ cel, type = 'String', want }) => {
    const found = faults({ mapping: { x: { type, cel } } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(want);
  });

  test('nor a condition that is none', () => {
    expect(faults({ mapping: { x: { type: 'String', cel: 'arguments.order', when: '"yes"' } } })).toEqual([
      'mapping.x.when gives string, not bool',
    ]);
  });

  test('nor a limit on what is no Long', () => {
    const mapping = { x: { type: 'String', cel: 'arguments.order' } } as const;
    const limits = { x: { max: 1, above: 'deny' }, y: { max: 1, above: 'deny' } } as const;
    expect(faults({ mapping, limits })).toEqual([
      'limits.x is a String: only a Long has a limit',
      'limits.y is not the name of a mapping',
    ]);
  });
});

const prepare = (changes: Partial<Tool>, given: JsonObject) => {
  expect(faults(changes)).toEqual([]);
  return makeToolSet([tool(changes)])
    .find('refund')
    ?.prepare(given);
};

describe('arguments against a schema', () => {
  const schema: JsonObject = {
    type: 'object',
    required: ['amount'],
    properties: {
      amount: { type: 'number', maximum: 10 },
      order: { type: 'string', pattern: '^(?:a|bc)$', maxLength: 5 },
      card: { type: 'object', properties: { name: { type: 'string' } } },
      any: { type: 'object', additionalProperties: true },
      maybe: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      list: { type: 'array', items: { type: 'object', required: ['x'], properties: { x: { type: 'integer' } } } },
    },
  };
  test.each<{ given: JsonObject; path: string; problem: string }>([
    { given: {}, path: '/amount', problem: 'required' },
    { given: { amount: '5' }, path: '/amount', problem: 'type' },
    { given: { amount: 11 }, path: '/amount', problem: 'maximum' },
    { given: { amount: 5, force: true }, path: '/force', problem: 'additionalProperties' },
    { given: { amount: 5, 'a/b': true }, path: '/a~1b', problem: 'additionalProperties' },
    { given: { amount: 5, card: { name: 'x', number: 1 } }, path: '/card/number', problem: 'additionalProperties' },
    { given: { amount: 5, order: 'b' }, path: '/order', problem: 'pattern' },
    { given: { amount: 5, order: 'abc' }, path: '/order', problem: 'pattern' },
    { given: { amount: 5, order: 'x'.repeat(100_000) }, path: '/order', problem: 'maxLength' },
    { given: { amount: 5, list: [{ x: 1 }, { x: 1.5 }] }, path: '/list/1/x', problem: 'type' },
    { given: { amount: 5, maybe: 5 }, path: '/maybe', problem: 'type' },
    {
      given: JSON.parse('{"amount": 5, "__proto__": {"x": 1}}') as JsonObject,
      path: '/__proto__',
      problem: 'additionalProperties',
    },
    { given: { amount: 5, constructor: 1 }, path: '/constructor', problem: 'additionalProperties' },
  ])('$given', ({ given, path, problem }) => {
    expect(prepare({ arguments: schema }, given)).toEqual({
      ok: false,
      code: 'invalid_arguments',
      fault: { path, problem },
    });
  });

  test('that fit', () => {
    const given = { amount: 5, order: 'bc', card: { name: 'x' }, any: { y: 1 }, maybe: null, list: [{ x: 1 }] };
    expect(prepare({ arguments: schema }, given)).toEqual({ ok: true, mapped: {} });
  });

  test('no value is repeated', () => {
    const said = prepare({ arguments: schema }, { amount: 5, order: 'a-secret' });
    expect(JSON.stringify(said)).not.toContain('secret');
  });
});

describe('mapping', () => {
  const schema: JsonObject = {
    type: 'object',
    properties: {
      amount: { type: 'number' },
      count: { type: 'integer' },
      order: { type: 'string' },
      urgent: { type: 'boolean' },
      items: {
        type: 'array',
        items: { type: 'object', properties: { sku: { type: 'string' }, price: { type: 'number' } } },
      },
      free: {},
    },
  };
  test.each<{
    type: 'String' | 'Long' | 'Bool' | 'SetOfString';
    cel: string;
    when?: string;
    given: JsonObject;
    want: unknown;
  }>([
    { type: 'Long', cel: 'minor(arguments.amount, 2)', given: { amount: 9.99 }, want: 999 },
    { type: 'Long', cel: 'minor(arguments.amount, 2)', given: { amount: 8.2 }, want: 820 },
    { type: 'Long', cel: 'minor(arguments.amount, 2)', given: { amount: 5 }, want: 500 },
    { type: 'Long', cel: 'minor(arguments.amount, 2)', given: { amount: -0.5 }, want: -50 },
    { type: 'Long', cel: 'minor(arguments.amount, 2)', given: { amount: 9.999 }, want: 'mapping_failed' },
    { type: 'Long', cel: 'minor(arguments.amount, 2)', given: { amount: 1e-7 }, want: 'mapping_failed' },
    { type: 'Long', cel: 'minor(arguments.order, 2)', given: { order: '12.50' }, want: 1250 },
    { type: 'Long', cel: 'minor(arguments.order, 2)', given: { order: '12.50 EUR' }, want: 'mapping_failed' },
    { type: 'Long', cel: 'arguments.count * 100', given: { count: 3 }, want: 300 },
    { type: 'Long', cel: 'arguments.count * 100', given: { count: Number.MAX_SAFE_INTEGER }, want: 'mapping_failed' },
    { type: 'Long', cel: 'arguments.amount', given: { amount: 5 }, want: 'mapping_failed' }, // a double, whatever it is
    { type: 'Long', cel: 'arguments.count', given: {}, want: 'mapping_failed' },
    { type: 'Long', cel: 'arguments.count', when: 'has(arguments.count)', given: {}, want: undefined },
    { type: 'Long', cel: 'arguments.count / 0', given: { count: 1 }, want: 'mapping_failed' },
    { type: 'Long', cel: 'arguments.free', given: { free: 7 }, want: 7 },
    { type: 'Long', cel: 'size(arguments.items)', given: { items: [{}, {}] }, want: 2 },
    { type: 'String', cel: 'arguments.order', given: { order: 'x' }, want: 'x' },
    { type: 'String', cel: 'arguments.order.lowerAscii()', given: { order: 'ABC' }, want: 'abc' },
    { type: 'String', cel: 'arguments.free', given: { free: 7 }, want: 'mapping_failed' },
    { type: 'String', cel: 'arguments.free', given: { free: null }, want: 'mapping_failed' },
    { type: 'String', cel: 'arguments.order', given: { order: 'x'.repeat(2_049) }, want: 'mapping_failed' },
    { type: 'Bool', cel: 'arguments.urgent', given: { urgent: true }, want: true },
    { type: 'Bool', cel: 'arguments.order == "x" || arguments.count > 5', given: { order: 'x' }, want: true },
    {
      type: 'SetOfString',
      cel: 'arguments.items.map(i, i.sku)',
      given: { items: [{ sku: 'b' }, { sku: 'a' }, { sku: 'b' }] },
      want: ['a', 'b'],
    },
    {
      type: 'SetOfString',
      cel: 'arguments.items.map(i, i.price)',
      given: { items: [{ price: 1 }] },
      want: 'mapping_failed',
    },
    {
      type: 'SetOfString',
      cel: 'arguments.free',
      given: { free: Array.from({ length: 257 }, String) },
      want: 'mapping_failed',
    },
  ])('$cel of $given', ({ type, cel, when, given, want }) => {
    const mapping = { x: { type, cel, ...(when === undefined ? {} : { when }) } };
    const prepared = prepare({ arguments: schema, mapping }, given);
    if (want === 'mapping_failed') expect(prepared).toEqual({ ok: false, code: 'mapping_failed', argument: 'x' });
    else expect(prepared).toEqual({ ok: true, mapped: want === undefined ? {} : { x: want } });
  });

  test('members that every object has are not there', () => {
    const mapping = { x: { type: 'String', cel: 'arguments.constructor' } } as const;
    const open: JsonObject = { type: 'object', additionalProperties: true };
    expect(prepare({ arguments: open, mapping }, {})).toEqual({ ok: false, code: 'mapping_failed', argument: 'x' });
  });

  test.each([
    { amount: 19.99, digits: 2n, want: 1999n },
    { amount: 0.1, digits: 1n, want: 1n },
    { amount: 1, digits: 0n, want: 1n },
    { amount: '007.10', digits: 2n, want: 710n },
  ])('$amount in its smallest unit', ({ amount, digits, want }) => {
    expect(minorUnits(amount, digits)).toBe(want);
  });
});

test('the exact name counts before the pattern that covers it; nothing is called like a pattern', () => {
  const set = makeToolSet([tool({ name: 'mcp.*', owner: 'many' }), tool({ name: 'mcp.one', owner: 'one' })]);
  expect(['mcp.one', 'mcp.two', 'mcp.*', 'other'].map((name) => set.find(name)?.tool.owner)).toEqual([
    'one',
    'many',
    undefined,
    undefined,
  ]);
});

test('its hash is over all of it', () => {
  const hash = (changes: Partial<Tool>) => makeToolSet([tool(changes)]).find('refund')?.hash;
  expect(hash({})).toBe(hash({}));
  expect(hash({ limits: {} })).not.toBe(hash({ report: true }));
});
