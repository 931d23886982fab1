import { MAX_PARAMETER_CHARS, checkParameters } from '../../src/domain/parameters.ts';
import type { Json } from '../../src/domain/json.ts';
import type { Profile } from '../../src/domain/profile.ts';

const profile: Profile = {
  name: 'p',
  provider: 'x',
  owner: 'o',
  environment: 'e',
  effect: 'read',
  ttl: { default: 60, max: 60, min: 1 },
  parameters: {
    month: { pattern: '\\d{4}-\\d{2}', optional: false },
    either: { pattern: 'a|b', optional: true },
    any: { pattern: '.*', optional: true },
  },
  section: {},
};

describe('parameters as a request gives them', () => {
  test.each<{ given: Record<string, Json>; want: Record<string, string> }>([
    { given: { month: '2026-11' }, want: { month: '2026-11' } },
    { given: { month: '2026-11', either: 'b', any: '' }, want: { month: '2026-11', either: 'b', any: '' } },
  ])('are taken: $given', ({ given, want }) => {
    expect(checkParameters(profile, given)).toEqual({ ok: true, parameters: want });
  });

  test.each<{ given: Record<string, Json>; want: [string, string][] }>([
    { given: {}, want: [['month', 'missing']] },
    {
      given: { other: 'x', either: 'ab', any: 7 },
      want: [
        ['any', 'not_a_string'],
        ['either', 'does_not_match'],
        ['month', 'missing'],
        ['other', 'unknown'],
      ],
    },
    { given: { month: 'x2026-11' }, want: [['month', 'does_not_match']] },
    { given: { month: '2026-11\n' }, want: [['month', 'does_not_match']] },
    { given: { month: '2026-11', any: 'a\nb' }, want: [['any', 'does_not_match']] },
    { given: { month: '2026-11', any: 'x'.repeat(MAX_PARAMETER_CHARS + 1) }, want: [['any', 'too_long']] },
    { given: { month: null }, want: [['month', 'not_a_string']] },
    {
      given: JSON.parse('{"month": "2026-11", "__proto__": "x", "constructor": "y"}') as Record<string, Json>,
      want: [
        ['__proto__', 'unknown'],
        ['constructor', 'unknown'],
      ],
    },
  ])('are refused with every fault: $given', ({ given, want }) => {
    const checked = checkParameters(profile, given);
    expect(checked.ok ? [] : checked.faults.map((fault) => [fault.parameter, fault.problem])).toEqual(want);
  });
});
