import type { Approval, ApprovalPage, AwaitedApproval, Exception, ExceptionPage } from './approvals.ts';
import type { DecisionPage, GenerationText } from './decisions.ts';
import type { EvaluationAnswer } from './evaluations.ts';
import type { Generation } from './generations.ts';
import type { Grant, GrantPage, IssueAnswer, IssuedGrant } from './grants.ts';
import type { Introspection } from './oauth.ts';
import type { Order, OrderPreview } from './orders.ts';
import { notWrit } from './problem.ts';
import type { Answer } from './transport.ts';

/**
 * From JSON to types, in one place. An answer must have the members that its readers cannot do without, which tells a
 * broker from another server; beyond them its shape is taken to be CONTRACT's, so that a newer broker may say more.
 */
function reads<Shape extends object>(...members: readonly (keyof Shape & string)[]): (answer: Answer) => Shape {
  return ({ status, body }) => {
    const missing = members.filter((member) => !Object.hasOwn(body, member));
    if (missing.length > 0) throw notWrit(status, `the body has no ${missing.join(', ')}`);
    const held: object = body;
    return held as Shape;
  };
}

export const readGrant = reads<Grant>('id', 'state', 'profile', 'expires_at');
export const readIssueAnswer = reads<IssueAnswer>('id', 'state');
export const readIssued = reads<IssuedGrant>('id', 'state', 'expires_at', 'credential');
export const readGrantPage = reads<GrantPage>('grants');
export const readOrder = reads<Order>('id', 'state', 'matched', 'by_provider', 'selector');
export const readPreview = reads<OrderPreview>('matched', 'by_provider');
export const readGeneration = reads<Generation>('hash', 'difference');
export const readDecisionPage = reads<DecisionPage>('decisions');
export const readGenerationText = reads<GenerationText>('number', 'hash', 'files');
export const readEvaluation = reads<EvaluationAnswer>('decision');
export const readEvaluations = reads<{ readonly evaluations: readonly EvaluationAnswer[] }>('evaluations');
export const readIntrospection = reads<Introspection>('active');
export const readApproval = reads<Approval>('id', 'state', 'asked', 'needs', 'expires_at');
export const readApprovalPage = reads<ApprovalPage>('approvals');
export const readAwaited = reads<AwaitedApproval>('id', 'state', 'expires_at');
export const readException = reads<Exception>('id', 'state', 'scope', 'policies');
export const readExceptionPage = reads<ExceptionPage>('exceptions');
