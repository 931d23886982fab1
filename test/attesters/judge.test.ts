import type { Verified } from '../../src/attesters/attester.ts';
import { firstAccepted } from '../../src/attesters/judge.ts';
import { Fault, Refusal } from '../../src/domain/errors.ts';
import { codeOf } from './harness.ts';

const accept = (value: string) => async (): Promise<Verified<string>> => ({ value, recall: () => value });
const refuse = (code: 'evidence_invalid' | 'evidence_expired' | 'evidence_not_yet_valid') => () =>
  Promise.reject(new Refusal(code));
const invalid = refuse('evidence_invalid');
const expired = refuse('evidence_expired');
const fault = () => Promise.reject(new Fault('evidence_source_unavailable'));

test.each<[string, (() => Promise<Verified<string>>)[], string]>([
  ['nobody', [], 'evidence_untrusted'],
  ['one accepts', [accept('a')], 'a'],
  ['the first that accepts wins', [invalid, accept('a'), accept('b')], 'a'],
  ['a source that is away does not stop the next', [fault, accept('a')], 'a'],
  ['its time is told before a mere no', [invalid, expired], 'evidence_expired'],
  ['in whatever order', [expired, invalid], 'evidence_expired'],
  ['the first of two that tell as much', [refuse('evidence_not_yet_valid'), expired], 'evidence_not_yet_valid'],
  ['it might have been accepted by the one that is away', [invalid, fault, expired], 'evidence_source_unavailable'],
  ['in whatever order', [fault, expired, invalid], 'evidence_source_unavailable'],
])('%s', async (_what, tries, want) => {
  expect(await codeOf(firstAccepted(tries).then(({ value }) => value))).toBe(want);
});

test('a mistake of ours is not taken for a refusal', async () => {
  const broken = () => Promise.reject(new TypeError('a mistake'));
  await expect(firstAccepted([invalid, broken, fault])).rejects.toThrow('a mistake');
});
