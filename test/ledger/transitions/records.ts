import { ids, OPERATOR } from '../world.ts';
import type { Transition } from './transition.ts';

/** What is asked for about the record itself. */
export const RECORDS: readonly Transition[] = [
  {
    name: 'request_archive',
    events: ['archive.requested'],
    arrange: async (world) => {
      const asked = { month: '2026-01', forced: true, reason: 'a case', actor: OPERATOR, origin: null };
      return { run: () => world.ledger.archives.request({ id: ids.archive(), ...asked }) };
    },
  },
];
