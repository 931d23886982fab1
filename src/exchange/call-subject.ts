import type { RefusalCode } from '../domain/errors.ts';
import type { Tool } from '../domain/tool.ts';
import type { Caller } from './context.ts';
import type { CallQuestion } from './call-question.ts';
import { clientOf } from './clients.ts';
import type { Client } from './clients.ts';

/** Whom a question is about, where whoever asks may ask it. */
export type AskedAbout =
  { readonly who: 'self' | 'other'; readonly trust: string; readonly id: string } | { readonly refused: RefusalCode };

const SUBJECT_TYPES: ReadonlySet<string> = new Set(['workload', 'identity']);

/**
 * A workload asks about itself. About another one only a registered client asks, whose audiences have the tool's; the other is named
 * by its id together with the trust entry that knows it.
 */
export function askedAbout(
  clients: readonly Client[],
  { identity }: Pick<Caller, 'identity'>,
  subject: CallQuestion['subject'],
  tool: Tool,
): AskedAbout {
  const itself = { who: 'self', trust: identity.trust, id: identity.id } as const;
  if (!subject) return itself;
  if (!SUBJECT_TYPES.has(subject.type)) return { refused: 'unknown_subject' };
  if (subject.id === identity.id && (subject.trust ?? identity.trust) === identity.trust) return itself;
  if (!mayEvaluate(clients, { identity }, tool)) return { refused: 'not_a_client' };
  if (subject.trust === undefined) return { refused: 'unknown_subject' };
  return { who: 'other', trust: subject.trust, id: subject.id };
}

/** Whether it is an enforcement point of this tool. */
export function mayEvaluate(
  clients: readonly Client[],
  { identity }: Pick<Caller, 'identity'>,
  { audience }: Tool,
): boolean {
  const client = clientOf(clients, identity, 'evaluate');
  return audience !== undefined && client?.audiences.includes(audience) === true;
}
