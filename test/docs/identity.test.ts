import { GITHUB_ATTRIBUTES } from '../../src/attesters/github-actions/index.ts';
import { FILE_LIMITS, REMOTE_LIMITS } from '../../src/attesters/keys/sources.ts';
import { KUBERNETES_ATTRIBUTES } from '../../src/attesters/kubernetes/index.ts';
import { FAULT_CODES, REFUSAL_CODES } from '../../src/domain/errors.ts';
import { OPERATOR_ROLES } from '../../src/domain/identity.ts';
import { codesOf, proseOf, readPage, sectionOf } from './pages.ts';

const page = await readPage('docs/identity.md');
const firstCodes = (heading: string) => sectionOf(page, heading).rows.map(([cell = '']) => codesOf(cell)[0]);

test('the attributes of a pod', () => {
  const { rows } = sectionOf(page, 'Kind `kubernetes`: projected service-account tokens');
  const written = rows.map(([name = '', claim = '']) => [codesOf(name)[0], codesOf(claim)[0]]);
  const dotted = Object.entries(KUBERNETES_ATTRIBUTES).map(([name, path]) => [
    name,
    path.slice(1).replaceAll('/', '.'),
  ]);
  expect(written).toEqual(dotted);
});

test('the attributes of a job', () => {
  const list = /^Attributes, each from the claim of its name: ([\s\S]*?)\. There/m.exec(proseOf(page))?.[1] ?? '';
  expect(codesOf(list)).toEqual(GITHUB_ATTRIBUTES);
});

test('how long keys are used, kept and asked for', () => {
  const written = sectionOf(page, 'Where keys come from').rows.flatMap(([, remote = '', file = '']) =>
    /^\d+$/.test(remote) ? [[Number(remote), Number(file)]] : [],
  );
  const names = ['fresh', 'floor', 'ceiling', 'retry', 'unknownKey', 'outage'] as const;
  expect(written).toEqual(names.map((name) => [REMOTE_LIMITS[name], FILE_LIMITS[name]]));
  expect(names).toHaveLength(Object.keys(REMOTE_LIMITS).length);
});

test('every code of evidence', () => {
  const codes = sectionOf(page, 'Tokens that are refused').rows.map(([, code = '']) => codesOf(code)[0]);
  const all = [...REFUSAL_CODES, ...FAULT_CODES].filter((code) => code.startsWith('evidence_'));
  expect([...new Set(codes)].sort()).toEqual(all.sort());
});

test('every role', () => {
  expect(firstCodes('Operators').sort()).toEqual([...OPERATOR_ROLES].sort());
});
