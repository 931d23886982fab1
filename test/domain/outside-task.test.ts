import { outsideTaskCall } from '../../src/domain/task.ts';
import type { Mapped } from '../../src/domain/tool.ts';

const TOOL = { name: 'read', environment: 'test' };
const TASK = { environment: 'test', bounds: { parameters: { month: ['2026-10', '2026-11'] } } };
const OUTSIDE = ['parameters.month'];

/** A month may stand in the call's arguments, in its grant, or in both. */
test.each<{ name: string; mapped?: Mapped; granted?: Record<string, string>; want: string[] }>([
  { name: 'nowhere', want: OUTSIDE },
  { name: 'within, in the call', mapped: { month: '2026-11' }, want: [] },
  { name: 'within, in the grant', granted: { month: '2026-11' }, want: [] },
  { name: 'within, in both', mapped: { month: '2026-10' }, granted: { month: '2026-11' }, want: [] },
  { name: 'outside, in the call', mapped: { month: '2026-12' }, want: OUTSIDE },
  {
    name: 'outside, in the call, whatever the grant is for',
    mapped: { month: '2026-12' },
    granted: { month: '2026-11' },
    want: OUTSIDE,
  },
  {
    name: 'outside, in the grant, whatever the call says',
    mapped: { month: '2026-11' },
    granted: { month: '2026-12' },
    want: OUTSIDE,
  },
  { name: 'several, all within', mapped: { month: ['2026-10', '2026-11'] }, want: [] },
  { name: 'several, one outside', mapped: { month: ['2026-11', '2026-12'] }, want: OUTSIDE },
  { name: 'a list of none', mapped: { month: [] }, want: OUTSIDE },
  {
    name: 'a list of none, whatever the grant is for',
    mapped: { month: [] },
    granted: { month: '2026-11' },
    want: OUTSIDE,
  },
  { name: 'another type', mapped: { month: 202611 }, want: OUTSIDE },
])('what a task binds is bound in a call: $name', ({ mapped = {}, granted = {}, want }) => {
  expect(outsideTaskCall(TASK, TOOL, mapped, granted)).toEqual(want);
});
