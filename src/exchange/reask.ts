import { Refusal } from '../domain/errors.ts';
import { watchCalls } from './after-revocation.ts';
import type { AskedCall } from './access-request.ts';
import { hashOf } from './approval.ts';
import { askedOfDraft, draftCall } from './call-draft.ts';
import type { CallQuestion } from './call-question.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { readFacts } from './evaluate.ts';
import type { Client } from './clients.ts';
import { withRules } from './rules.ts';

/**
 * Looks at a call again as it is now, without deciding anything: whoever asks may ask about it, and this is what a person would be
 * shown. @throws Refusal `invalid_denial_binding` for what would not come as far as a decision.
 */
export function makeReask(
  context: Pick<ExchangeContext, 'ledger' | 'rules' | 'clock' | 'alert'>,
  clients: readonly Client[],
): (caller: Caller, question: CallQuestion) => Promise<AskedCall> {
  return (caller, question) =>
    withRules(context.rules, async (rules) => {
      const facts = await readFacts(context, [question]);
      const draft = draftCall({ rules, clients, asker: caller, facts, now: context.clock.now() }, question);
      const { tool, request, refused, subject, grant, task } = draft;
      if (!tool || !request) {
        const shown = { grant: grant?.id ?? null, task: task ? { id: task.task.id } : null };
        await watchCalls(context, caller, [{ ...shown, code: refused?.code ?? null }]);
        throw new Refusal('invalid_denial_binding', refused ? { reason: refused.code, ...refused.facts } : {});
      }
      const { owner, environment } = tool.tool;
      const { source } = request.principal;
      const asked = askedOfDraft(draft);
      const more = { ...(task && { task: task.task }), ...(grant && { grant: grant.id }), ...(source && { source }) };
      return { subject, asked, askedHash: hashOf(asked), owner, environment, ...more };
    });
}
