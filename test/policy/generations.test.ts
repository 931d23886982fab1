import { makeCedarCompiler } from '../../src/policy/index.ts';
import { request, schema } from './world.ts';

const only = (id: string) => ({ 'policies/a.cedar': `@id("${id}") permit (principal, action, resource);` });

test('an older generation that is still asked is never answered by a newer one’s policies', () => {
  const compiler = makeCedarCompiler(2);
  const sets = Array.from({ length: 6 }, (_, index) => compiler.compile(only(`g${index}`), schema));
  for (const order of [
    [5, 4, 3, 2, 1, 0],
    [0, 1, 2, 3, 4, 5],
    [0, 0, 5, 0, 3, 3],
  ]) {
    expect(order.map((index) => sets[index]?.decide(request()).policies)).toEqual(order.map((index) => [`g${index}`]));
  }
});

test('a set that does not compile takes nobody’s place', () => {
  const compiler = makeCedarCompiler(1);
  const set = compiler.compile(only('good'), schema);
  expect(() => compiler.compile({ 'policies/a.cedar': '@id("x") permit (principal' }, schema)).toThrow();
  expect(set.decide(request()).policies).toEqual(['good']);
});

test('two compilers of one process do not share places', () => {
  const [one, two] = [makeCedarCompiler(1), makeCedarCompiler(1)];
  const [first, second] = [one.compile(only('first'), schema), two.compile(only('second'), schema)];
  expect(first.decide(request()).policies).toEqual(['first']);
  expect(second.decide(request()).policies).toEqual(['second']);
});
