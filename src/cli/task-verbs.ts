import type { TaskVerbs } from '../client/index.ts';
import { connectOperator, connectWorkload, hasIdentity } from './connect.ts';
import type { Shell } from './shell.ts';

/** As `writ revoke` does it: an identity that was given goes before a development operator. */
export async function taskVerbs(shell: Shell, options: { readonly url?: string }): Promise<TaskVerbs> {
  const asWorkload = !shell.env['WRIT_OPERATOR_TOKEN'] && hasIdentity(shell.env);
  return asWorkload
    ? (await connectWorkload(shell, options)).workload
    : (await connectOperator(shell, options, 'security')).operator;
}
