import { AwsError, Unsupported } from './aws/errors.ts';
import { makeContext } from './aws/policy/context.ts';
import { readPolicy } from './aws/policy/document.ts';
import { judge } from './aws/policy/evaluate.ts';
import { allow, deny, document } from './aws/setup.ts';

const OBJECT = 'arn:aws:s3:::inv/2026-11/a';
type Values = Parameters<typeof makeContext>[0];

function judged(policies: readonly object[], values: Values = {}, action = 's3:GetObject', resource = OBJECT) {
  const layers = policies.map((policy) => [readPolicy(JSON.stringify(policy))]);
  return judge(layers, { action, resource, context: makeContext(values) });
}

/** Whether a Condition holds for a request of these values. */
function holds(condition: object, values: Values): boolean {
  return judged([document(allow('*', '*', condition))], values) === 'allow';
}

test.each([
  { action: '*', resource: '*', want: true },
  { action: 's3:*', resource: '*', want: true },
  { action: 'S3:getobject', resource: '*', want: true },
  { action: 's3:Get*', resource: 'arn:aws:s3:::inv/*', want: true },
  { action: 's3:GetObjec?', resource: 'arn:aws:s3:::inv/2026-??/a', want: true },
  { action: ['ec2:RunInstances', 's3:GetObject'], resource: ['arn:aws:s3:::other/*', OBJECT], want: true },
  { action: 's3:GetObject', resource: 'arn:aws:s3:::INV/*', want: false },
  { action: 's3:GetObject', resource: 'arn:aws:s3:::inv', want: false },
  { action: 's3:Get', resource: '*', want: false },
  { action: 's3:GetObjectX', resource: '*', want: false },
  { action: 'ec2:*', resource: '*', want: false },
  { action: 's3:GetObject', resource: 'arn:aws:s3:::inv/2026-?/a', want: false },
  { action: 's3:GetObject', resource: 'arn.aws:s3:::inv/2026-11/a:', want: false },
])('Action $action on $resource: $want', ({ action, resource, want }) => {
  expect(judged([document(allow(action, resource))]) === 'allow').toBe(want);
});

test.each([
  { statement: { Effect: 'Allow', NotAction: 's3:Put*', Resource: '*' }, want: 'allow' },
  { statement: { Effect: 'Allow', NotAction: ['iam:*', 's3:*'], Resource: '*' }, want: 'implicit deny' },
  { statement: { Effect: 'Allow', Action: '*', NotResource: 'arn:aws:s3:::inv/*' }, want: 'implicit deny' },
  { statement: { Effect: 'Allow', Action: '*', NotResource: 'arn:aws:s3:::other/*' }, want: 'allow' },
  { statement: { Effect: 'Deny', NotAction: 'ec2:*', Resource: '*' }, want: 'explicit deny' },
])('$statement: $want', ({ statement, want }) => {
  expect(judged([document(statement)])).toBe(want);
});

describe('layers', () => {
  const open = document(allow('*'));
  const s3 = document(allow('s3:*'));
  const ec2 = document(allow('ec2:*'));
  const denied = document(allow('*'), deny('s3:Get*'));
  test.each([
    { name: 'none', layers: [], want: 'implicit deny' },
    { name: 'one that allows', layers: [s3], want: 'allow' },
    { name: 'all allow', layers: [open, s3, open], want: 'allow' },
    { name: 'one says nothing', layers: [open, ec2, open], want: 'implicit deny' },
    { name: 'one denies', layers: [open, open, denied], want: 'explicit deny' },
    { name: 'one denies and one says nothing', layers: [ec2, denied], want: 'explicit deny' },
  ])('$name: $want', ({ layers, want }) => {
    expect(judged(layers)).toBe(want);
  });

  test('within a layer, one policy is enough, and one Deny decides', () => {
    const [a, b, c] = [s3, ec2, denied].map((policy) => readPolicy(JSON.stringify(policy)));
    const question = { action: 's3:GetObject', resource: OBJECT, context: makeContext({}) };
    if (!a || !b || !c) throw new Error('three were read');
    expect(judge([[a, b]], question)).toBe('allow');
    expect(judge([[a, b, c]], question)).toBe('explicit deny');
  });
});

const ME = { 'aws:userid': 'AROAX:mint-1', 'aws:PrincipalTag/Team': 'payments' };

test.each([
  { condition: { StringEquals: { 'aws:userid': 'AROAX:mint-1' } }, want: true },
  { condition: { StringEquals: { 'aws:userid': ['other', 'AROAX:mint-1'] } }, want: true },
  { condition: { StringEquals: { 'AWS:UserID': 'AROAX:mint-1' } }, want: true },
  { condition: { StringEquals: { 'aws:userid': 'aroax:mint-1' } }, want: false },
  { condition: { StringEquals: { 'aws:userid': 'AROAX:*' } }, want: false },
  { condition: { StringEquals: { 'aws:userid': 'AROAX:mint-1', 'aws:PrincipalTag/Team': 'sales' } }, want: false },
  { condition: { StringEquals: { 'aws:principaltag/team': 'payments' } }, want: true },
  { condition: { StringNotEquals: { 'aws:userid': 'AROAX:mint-1' } }, want: false },
  { condition: { StringNotEquals: { 'aws:userid': ['other', 'AROAX:mint-1'] } }, want: false },
  { condition: { StringNotEquals: { 'aws:userid': ['other', 'third'] } }, want: true },
  { condition: { StringEqualsIgnoreCase: { 'aws:userid': 'aroax:MINT-1' } }, want: true },
  { condition: { StringNotEqualsIgnoreCase: { 'aws:userid': 'aroax:MINT-1' } }, want: false },
  { condition: { StringLike: { 'aws:userid': 'AROAX:*' } }, want: true },
  { condition: { StringLike: { 'aws:userid': '*:mint-?' } }, want: true },
  { condition: { StringLike: { 'aws:userid': 'aroax:*' } }, want: false },
  { condition: { StringLike: { 'aws:userid': 'AROAX:${*}' } }, want: false },
  { condition: { StringNotLike: { 'aws:userid': 'AROAX:*' } }, want: false },
  { condition: { Null: { 'aws:userid': 'false' } }, want: true },
  { condition: { Null: { 'aws:userid': true } }, want: false },
  { condition: { StringEquals: { 'aws:userid': 'x' }, StringLike: { 'aws:userid': '*' } }, want: false },
])('of two texts, $condition: $want', ({ condition, want }) => {
  expect(holds(condition, ME)).toBe(want);
});

describe('a key that is not there', () => {
  test.each([
    { operator: 'StringEquals', value: 'x', want: false },
    { operator: 'StringLike', value: '*', want: false },
    { operator: 'StringEqualsIgnoreCase', value: 'x', want: false },
    { operator: 'DateLessThan', value: '2026-01-01T00:00:00Z', want: false },
    { operator: 'NumericLessThan', value: '5', want: false },
    { operator: 'Bool', value: 'false', want: false },
    { operator: 'ArnLike', value: '*', want: false },
    { operator: 'StringNotEquals', value: 'x', want: true },
    { operator: 'StringNotLike', value: 'x', want: true },
    { operator: 'DateNotEquals', value: '2026-01-01T00:00:00Z', want: true },
    { operator: 'StringEqualsIfExists', value: 'x', want: true },
    { operator: 'StringLikeIfExists', value: 'x', want: true },
    { operator: 'DateLessThanIfExists', value: '2026-01-01T00:00:00Z', want: true },
    { operator: 'BoolIfExists', value: 'true', want: true },
    { operator: 'Null', value: 'true', want: true },
    { operator: 'Null', value: 'false', want: false },
  ])('$operator: $want', ({ operator, value, want }) => {
    expect(holds({ [operator]: { 'aws:SourceIdentity': value } }, {})).toBe(want);
  });

  test('IfExists still compares what is there', () => {
    expect(holds({ StringEqualsIfExists: { 'aws:userid': 'x' } }, ME)).toBe(false);
    expect(holds({ StringNotEqualsIfExists: { 'aws:userid': 'AROAX:mint-1' } }, ME)).toBe(false);
  });
});

describe('times, numbers, booleans', () => {
  const at = { 'aws:TokenIssueTime': '2026-11-25T12:00:00Z', 'aws:EpochTime': '1000', 'aws:SecureTransport': 'true' };
  test.each([
    ['DateLessThan', '2026-11-25T12:00:01Z', true],
    ['DateLessThan', '2026-11-25T12:00:00Z', false],
    ['DateLessThan', '2026-11-25T13:00:01+01:00', true],
    ['DateLessThanEquals', '2026-11-25T12:00:00Z', true],
    ['DateGreaterThan', '2026-11-25T11:59:59.999Z', true],
    ['DateGreaterThan', '2026-11-25T12:00:00Z', false],
    ['DateGreaterThanEquals', '2026-11-25T12:00:00Z', true],
    ['DateEquals', '2026-11-25T12:00:00.000Z', true],
    ['DateNotEquals', '2026-11-25T12:00:00Z', false],
    ['DateLessThan', String(Date.parse('2026-11-25T12:00:01Z') / 1000), true],
    ['DateGreaterThan', '2026-11-25', true],
  ])('%s %s: %s', (operator, value, want) => {
    expect(holds({ [operator]: { 'aws:TokenIssueTime': value } }, at)).toBe(want);
  });
  test.each([
    ['NumericEquals', '1000', true],
    ['NumericEquals', '1000.0', true],
    ['NumericNotEquals', '1000', false],
    ['NumericLessThan', '1000', false],
    ['NumericLessThanEquals', '1000', true],
    ['NumericGreaterThan', '999.5', true],
    ['NumericGreaterThanEquals', '1001', false],
  ])('%s %s: %s', (operator, value, want) => {
    expect(holds({ [operator]: { 'aws:EpochTime': value } }, at)).toBe(want);
  });
  test('a boolean, written as one or as a text', () => {
    expect(holds({ Bool: { 'aws:SecureTransport': true } }, at)).toBe(true);
    expect(holds({ Bool: { 'aws:SecureTransport': 'TRUE' } }, at)).toBe(true);
    expect(holds({ Bool: { 'aws:SecureTransport': 'false' } }, at)).toBe(false);
  });
});

test.each([
  ['ArnEquals', 'arn:aws:iam::123456789012:role/agents', true],
  ['ArnLike', 'arn:aws:iam::*:role/agent?', true],
  ['ArnLike', 'arn:aws:iam:*:role/agents', false], // a wildcard does not go past a colon
  ['ArnLike', 'arn:*:iam::123456789012:*', true],
  ['ArnNotLike', 'arn:aws:iam::*:role/*', false],
  ['StringLike', 'arn:aws:iam:*:role/agents', true],
])('%s %s: %s', (operator, value, want) => {
  const values = { 'aws:PrincipalArn': 'arn:aws:iam::123456789012:role/agents' };
  expect(holds({ [operator]: { 'aws:PrincipalArn': value } }, values)).toBe(want);
});

describe('several values', () => {
  const equals = (set: string, keys: readonly string[]) => ({ [`${set}:StringEquals`]: { 'aws:TagKeys': keys } });
  test.each([
    { condition: equals('ForAllValues', ['a', 'b', 'c']), keys: ['a', 'b'], want: true },
    { condition: equals('ForAllValues', ['a']), keys: ['a', 'b'], want: false },
    { condition: equals('ForAllValues', ['a']), keys: [], want: true },
    { condition: equals('ForAnyValue', ['b', 'x']), keys: ['a', 'b'], want: true },
    { condition: equals('ForAnyValue', ['x']), keys: ['a', 'b'], want: false },
    { condition: equals('ForAnyValue', ['x']), keys: [], want: false },
    { condition: { 'ForAnyValue:StringNotEquals': { 'aws:TagKeys': ['a'] } }, keys: ['a', 'b'], want: true },
    { condition: { 'ForAllValues:StringNotEquals': { 'aws:TagKeys': ['a'] } }, keys: ['a', 'b'], want: false },
    { condition: { 'ForAllValues:StringLike': { 'aws:TagKeys': 'writ:*' } }, keys: ['writ:grant'], want: true },
    { condition: { Null: { 'aws:TagKeys': 'true' } }, keys: [], want: true },
  ])('$condition of $keys: $want', ({ condition, keys, want }) => {
    expect(holds(condition, { 'aws:TagKeys': keys })).toBe(want);
  });
});

describe('variables', () => {
  const tagged = (value: string): Values => ({ 'aws:PrincipalTag/team': value });
  const own = 'arn:aws:s3:::inv/${aws:PrincipalTag/team}/*';
  const resource = 'arn:aws:s3:::inv/pay/a';
  const on = (arn: string, values: Values, version = '2012-10-17', asked = resource) =>
    judged([{ Version: version, Statement: allow('*', arn) }], values, 's3:GetObject', asked) === 'allow';

  test.each([
    { name: 'the value', arn: own, values: tagged('pay'), want: true },
    { name: 'another value', arn: own, values: tagged('sales'), want: false },
    { name: 'a value with a wildcard is no wildcard', arn: own, values: tagged('*'), want: false },
    { name: 'no value', arn: own, values: {}, want: false },
    { name: 'a default', arn: "arn:aws:s3:::inv/${aws:PrincipalTag/team, 'pay'}/*", values: {}, want: true },
    {
      name: 'a default is not needed',
      arn: "arn:aws:s3:::inv/${aws:PrincipalTag/team, 'x'}/*",
      values: tagged('pay'),
      want: true,
    },
    { name: 'any case', arn: 'arn:aws:s3:::inv/${AWS:principaltag/TEAM}/*', values: tagged('pay'), want: true },
    { name: 'the id', arn: 'arn:aws:s3:::inv/${aws:userid}/*', values: { 'aws:userid': 'pay' }, want: true },
    { name: 'the user', arn: 'arn:aws:s3:::inv/${aws:username}/*', values: { 'aws:username': 'pay' }, want: true },
  ])('$name: $want', ({ arn, values, want }) => {
    expect(on(arn, values)).toBe(want);
  });

  test.each([
    { arn: 'arn:aws:s3:::inv/${*}', asked: 'arn:aws:s3:::inv/*', want: true },
    { arn: 'arn:aws:s3:::inv/${*}', asked: 'arn:aws:s3:::inv/a', want: false },
    { arn: 'arn:aws:s3:::inv/${?}', asked: 'arn:aws:s3:::inv/?', want: true },
    { arn: 'arn:aws:s3:::inv/${?}', asked: 'arn:aws:s3:::inv/a', want: false },
    { arn: 'arn:aws:s3:::inv/${$}{*}', asked: 'arn:aws:s3:::inv/${x}', want: true },
    { arn: 'arn:aws:s3:::inv/(.+)[a]', asked: 'arn:aws:s3:::inv/(.+)[a]', want: true },
    { arn: 'arn:aws:s3:::inv/(.+)[a]', asked: 'arn:aws:s3:::inv/xa', want: false },
  ])('$arn on $asked: $want', ({ arn, asked, want }) => {
    expect(on(arn, {}, '2012-10-17', asked)).toBe(want);
  });

  test('in a condition', () => {
    const condition = { StringEquals: { 'aws:SourceIdentity': '${aws:PrincipalTag/team}' } };
    expect(holds(condition, { ...tagged('pay'), 'aws:SourceIdentity': 'pay' })).toBe(true);
    expect(holds(condition, { ...tagged('pay'), 'aws:SourceIdentity': 'sales' })).toBe(false);
    expect(holds(condition, { 'aws:SourceIdentity': '${aws:PrincipalTag/team}' })).toBe(false);
  });

  test.each(['2008-10-17', undefined])('none in Version %s: they are text', (version) => {
    const policy = { ...(version && { Version: version }), Statement: allow('*', 'arn:aws:s3:::inv/${aws:userid}') };
    const ask = (asked: string) => judged([policy], { 'aws:userid': 'me' }, 's3:GetObject', asked);
    expect(ask('arn:aws:s3:::inv/me')).toBe('implicit deny');
    expect(ask('arn:aws:s3:::inv/${aws:userid}')).toBe('allow');
  });
});

test.each([
  ['no JSON', 'not JSON'],
  ['a list', '[]'],
  ['no Statement', '{"Version":"2012-10-17"}'],
  ['an empty list', document()],
  ['an unknown version', { Version: '2013-01-01', Statement: allow('*') }],
  ['an unknown member', { ...document(allow('*')), Extra: 1 }],
  ['an unknown member of a statement', document({ ...allow('*'), Resources: '*' })],
  ['no Effect', document({ Action: '*', Resource: '*' })],
  ['an effect in lower case', document({ ...allow('*'), Effect: 'allow' })],
  ['no Action', document({ Effect: 'Allow', Resource: '*' })],
  ['Action and NotAction', document({ ...allow('*'), NotAction: 's3:*' })],
  ['no Resource', document({ Effect: 'Allow', Action: '*' })],
  ['an empty Resource', document(allow('*', []))],
  ['an action without its service', document(allow('GetObject'))],
  ['a resource that is no ARN', document(allow('*', 'inv/*'))],
  ['a Principal', document({ ...allow('*'), Principal: '*' })],
  ['a Sid with a dash', document({ ...allow('*'), Sid: 'a-b' })],
  ['the same Sid twice', document({ ...allow('*'), Sid: 'a' }, { ...allow('s3:*'), Sid: 'a' })],
  ['an operator that there is not', document(allow('*', '*', { StringEqual: { 'aws:userid': 'x' } }))],
  ['a set operator of nothing', document(allow('*', '*', { 'ForSomeValues:StringEquals': { 'aws:userid': 'x' } }))],
  ['a date that is none', document(allow('*', '*', { DateLessThan: { 'aws:CurrentTime': 'tomorrow' } }))],
  ['a number that is none', document(allow('*', '*', { NumericLessThan: { 'aws:EpochTime': 'x' } }))],
  ['a boolean that is none', document(allow('*', '*', { Bool: { 'aws:SecureTransport': 'yes' } }))],
  ['a Null of something', document(allow('*', '*', { Null: { 'aws:userid': 'x' } }))],
  ['a Condition that is a text', document({ ...allow('*'), Condition: 'x' })],
  ['a variable without an end', document(allow('*', 'arn:aws:s3:::inv/${aws:userid'))],
  ['an empty variable', document(allow('*', 'arn:aws:s3:::inv/${}'))],
])('is malformed: %s', (_name, given) => {
  let thrown: unknown;
  try {
    readPolicy(typeof given === 'string' ? given : JSON.stringify(given));
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AwsError);
  expect(thrown).toMatchObject({ code: 'MalformedPolicyDocument', status: 400 });
});

test.each([
  ['a key that is not known', { StringEquals: { 'aws:SourceVpc': 'vpc-1' } }],
  ["a service's key", { StringLike: { 's3:prefix': 'home/*' } }],
  ['a key with a typo', { StringEquals: { 'aws:PrincipleTag/team': 'x' } }],
  ['a tag without a name', { StringEquals: { 'aws:PrincipalTag/': 'x' } }],
  ['an operator that is not built', { IpAddress: { 'aws:userid': '10.0.0.0/8' } }],
  ['a key of several values without a set operator', { StringEquals: { 'aws:TagKeys': 'x' } }],
  ['a variable that is not known', { StringEquals: { 'aws:userid': '${aws:SourceVpc}' } }],
  ['a variable of several values', { StringEquals: { 'aws:userid': '${aws:TagKeys}' } }],
])('is not judged, loudly: %s', (_name, condition) => {
  expect(() => readPolicy(JSON.stringify(document(allow('*', '*', condition))))).toThrow(Unsupported);
});

test('a trust policy has Principal and no Resource, and NotPrincipal is not judged', () => {
  const read = (statement: object) => () => readPolicy(JSON.stringify(document(statement)), 'trust');
  const base = { Effect: 'Allow', Action: 'sts:AssumeRole' };
  expect(read({ ...base, Principal: { AWS: '123456789012' } })).not.toThrow();
  expect(read({ ...base, Principal: '*', Resource: '*' })).toThrow('Has prohibited field Resource');
  expect(read(base)).toThrow('Invalid principal');
  expect(read({ ...base, Principal: { AWS: 'agents' } })).toThrow('Invalid principal');
  expect(read({ ...base, NotPrincipal: { AWS: '123456789012' } })).toThrow(Unsupported);
});
