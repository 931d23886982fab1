import { isJsonObject } from '../domain/json.ts';
import { hashOf } from './row.ts';
import type { Row } from './row.ts';

/**
 * The hash of what a person was asked, of an approval's row. Who put a call before them on somebody's behalf is shown beside it and
 * is no part of what the approval is bound to: the call is the same, whoever asks.
 */
export function askedHash({ kind, asked = null }: Row): string {
  if (kind !== 'call' || !isJsonObject(asked)) return hashOf(asked);
  const { asked_by: _, ...bound } = asked;
  return hashOf(bound);
}
