import { z } from 'zod';

/** Whether the ledger's calendar has it: years 1 to 9999, which an offset can lead out of. What is no time at all is refused by others. */
function isOnCalendar(text: string): boolean {
  const year = new Date(text).getUTCFullYear();
  return Number.isNaN(year) || (year >= 1 && year <= 9_999);
}

const OFF_CALENDAR = 'must be of a year from 1 to 9999';

/** RFC 3339, in UTC. */
export const utcTime = z.iso
  .datetime({ message: 'must be a time such as 2026-01-31T12:00:00Z' })
  .refine(isOnCalendar, OFF_CALENDAR);

/** RFC 3339, with whichever offset. */
export const anyTime = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-11-01T00:00:00Z' })
  .refine(isOnCalendar, OFF_CALENDAR);
