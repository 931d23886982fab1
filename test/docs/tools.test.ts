import { readFile } from 'node:fs/promises';
import { createHmac } from 'node:crypto';
import { readTool, toolMembers } from '../../src/config/tool.ts';
import { EvaluationBody } from '../../src/http/authzen-request.ts';
import { SEMANTICS } from '../../src/exchange/call-question.ts';
import { toolFaults } from '../../src/policy/tools/tool-set.ts';
import { membersOf, sorted, writtenMembers } from './members.ts';
import { blocksOf, codesOf, readPage, sectionOf } from './pages.ts';

/** docs/tools.md and docs/approvals.md: members, semantics and reasons as the program has them, and examples that can be used. */
const page = await readPage('docs/tools.md');
const approvals = await readPage('docs/approvals.md');

test('every member of a tool, with its default', () => {
  expect(sorted(writtenMembers(sectionOf(page, 'Members of a tool'), 1))).toEqual(sorted(membersOf(toolMembers)));
});

test('the example is a tool', () => {
  const { text } = blocksOf(page).find((block) => block.text.startsWith('# tools/refund.yaml')) ?? { text: '' };
  const { read, problems } = readTool('tools/refund.yaml', text, toolFaults);
  expect(problems).toEqual([]);
  expect(read?.tool).toMatchObject({ name: 'refund', limits: { amount_cents: { above: 'approval' } } });
});

test('the semantics of many', () => {
  const written = sectionOf(page, 'Many at once').rows.map(([word = '']) => codesOf(word)[0]);
  expect(written).toEqual(SEMANTICS);
});

test('every member that a question may have', () => {
  const written = sectionOf(page, 'Asking').rows.flatMap(([cell = '']) => codesOf(cell));
  const top = new Set(written.map((member) => member.split('.')[0]).filter(Boolean));
  expect([...top].sort()).toEqual(Object.keys(EvaluationBody.shape).sort());
});

test('every reason of a call that there is', async () => {
  const { rows } = sectionOf(page, 'A deny');
  const written = new Set(rows.flatMap(([cell = '']) => codesOf(cell)));
  const errors = await readFile(new URL('../../src/domain/errors.ts', import.meta.url), 'utf8');
  const ofCalls = /\/\/ calls of tools: reasons of a decision\n([\s\S]*?)\/\//.exec(errors)?.[1] ?? '';
  const codes = [...ofCalls.matchAll(/'(\w+)'/g)].map(([, code]) => code ?? '');
  expect(codes.length).toBeGreaterThan(5);
  expect(codes.filter((code) => !written.has(code))).toEqual([]);
});

test('the snippet that checks a signature does', async () => {
  const { text } = blocksOf(approvals).find(({ language }) => language === 'ts') ?? { text: '' };
  const typed = 'headers: Record<string, string | undefined>, body: string, secret: string): boolean';
  expect(text).toContain(typed);
  const source = text.replace(typed, 'headers, body, secret)');
  const { isOurs } = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as {
    isOurs: (headers: object, body: string, secret: string) => boolean;
  };
  const key = Buffer.alloc(32, 7);
  const secret = `whsec_${key.toString('base64')}`;
  const signed = (body: string, at = Math.floor(Date.now() / 1000), by = key) => ({
    'webhook-id': 'a1.x',
    'webhook-timestamp': String(at),
    'webhook-signature': `v1,${createHmac('sha256', by).update(`a1.x.${at}.${body}`).digest('base64')}`,
  });
  expect(isOurs(signed('{}'), '{}', secret)).toBe(true);
  expect(
    isOurs({ ...signed('{}'), 'webhook-signature': `v1,AAAA ${signed('{}')['webhook-signature']}` }, '{}', secret),
  ).toBe(true);
  expect(isOurs(signed('{}'), '{} ', secret)).toBe(false);
  expect(isOurs(signed('{}', 1_000), '{}', secret)).toBe(false);
  expect(isOurs(signed('{}', undefined, Buffer.alloc(32, 8)), '{}', secret)).toBe(false);
  expect(isOurs({}, '{}', secret)).toBe(false);
});
