import type { Mapped, Tool } from '../domain/tool.ts';
import type { CallRequest } from './policy.ts';

/** What is asked about a call, in the program's words. */
export interface AskedCall {
  readonly principal: CallRequest['principal'];
  /** As it is called; the tool's own name may have a `*`. */
  readonly name: string;
  readonly tool: Tool;
  readonly mapped: Mapped;
  readonly task: CallRequest['context']['task'];
  readonly now: Date;
  readonly onBehalfOf: string | undefined;
  readonly approval: CallRequest['context']['approval'] | undefined;
  readonly grant: CallRequest['context']['grant'] | undefined;
}

/** The question to the policies: plain data, and everything that the decision depends on beside the rules. */
export function callRequest({ principal, name, tool, mapped, task, now, ...maybe }: AskedCall): CallRequest {
  const { onBehalfOf, approval, grant } = maybe;
  return {
    principal,
    action: 'call',
    resource: {
      tool: name,
      declared: tool.name,
      owner: tool.owner,
      environment: tool.environment,
      effect: tool.effect,
    },
    context: {
      task,
      now: `${now.toISOString().slice(0, 19)}Z`,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      ...(approval === undefined ? {} : { approval }),
      arguments: mapped,
      ...(grant === undefined ? {} : { grant }),
    },
  };
}
