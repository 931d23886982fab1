import { taskLife } from '../../src/domain/task-life.ts';
import type { LifeLimits } from '../../src/domain/task-life.ts';

const now = new Date('2026-11-25T12:00:00Z');
const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const LIMITS: LifeLimits = { now, defaultSeconds: 3_600, maxSeconds: 86_400 };

test.each<[string, Partial<LifeLimits>, number, string]>([
  ['the default', {}, 3_600, 'default'],
  ['what was asked for', { askedEndsAt: after(7_200) }, 7_200, 'request'],
  ['no longer than the longest', { askedEndsAt: after(90_000) }, 86_400, 'max'],
  ['nor than a policy says', { askedEndsAt: after(7_200), policy: { id: 'short', seconds: 60 } }, 60, 'policy:short'],
  ['nor than somebody is vouched for', { principalUntil: after(300) }, 300, 'principal'],
  ['as long as its parent, not the default', { parentEndsAt: after(9_000) }, 9_000, 'parent'],
  ['an end of its own within its parent', { parentEndsAt: after(9_000), askedEndsAt: after(10) }, 10, 'request'],
  ['never beyond its parent', { parentEndsAt: after(900), askedEndsAt: after(9_000) }, 900, 'parent'],
  ['of two that are equal the wish is named', { askedEndsAt: after(86_400) }, 86_400, 'request'],
])('%s', (_what, limits, seconds, decidedBy) => {
  expect(taskLife({ ...LIMITS, ...limits })).toEqual({ endsAt: after(seconds), decidedBy });
});
