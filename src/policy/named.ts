import type { Annotated } from './annotations.ts';
import type { PolicyRequest } from './policy.ts';

/**
 * Whether a request names a principal whom no token verifies, and no permit that applies lets it: a permit says so with
 * `@on_behalf_of("named")`, because one that was written without a thought of principals must not let a workload act for
 * anybody it likes. Where a task carries its principal on, that was asked when the task was made.
 */
export function namesWithoutLeave({ action, context }: PolicyRequest, permits: readonly Annotated[]): boolean {
  const { onBehalfOf, onBehalfOfVerified, task } = context;
  if (onBehalfOf === undefined || onBehalfOfVerified) return false;
  const naming = action === 'create_task' || (action === 'issue' && task.implicit);
  return naming && !permits.some(({ namesPrincipals }) => namesPrincipals);
}
