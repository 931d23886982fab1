import { ENDING } from './ending.ts';
import { ISSUING } from './issuing.ts';
import { OTHERS } from './others.ts';
import type { Transition } from './transition.ts';

export const TRANSITIONS: readonly Transition[] = [...ISSUING, ...ENDING, ...OTHERS];
