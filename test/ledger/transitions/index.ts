import { CALLS } from './calls.ts';
import { ENDING } from './ending.ts';
import { EXCEPTIONS } from './exceptions.ts';
import { ISSUING } from './issuing.ts';
import { OTHERS } from './others.ts';
import { RECORDS } from './records.ts';
import { RECORD } from './record.ts';
import { TASKS } from './tasks.ts';
import type { Transition } from './transition.ts';
import { WAITING } from './waiting.ts';

export const TRANSITIONS: readonly Transition[] = [
  ...ISSUING,
  ...ENDING,
  ...WAITING,
  ...TASKS,
  ...EXCEPTIONS,
  ...RECORDS,
  ...CALLS,
  ...RECORD,
  ...OTHERS,
];
