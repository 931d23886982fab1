import type { OrderSelector } from '../client/index.ts';
import { parseId } from '../domain/ids.ts';
import { usage } from './exit.ts';

export interface SelectorOptions {
  readonly agent?: string;
  readonly onBehalfOf?: string;
  readonly task?: string;
  readonly profile?: string;
  readonly owner?: string;
  readonly environment?: string;
  readonly provider?: string;
  readonly all?: boolean;
}

/** What `writ revoke` is to end: one grant, or whatever a selector matches. */
export type Target =
  { readonly kind: 'grant'; readonly id: string } | { readonly kind: 'selector'; readonly selector: OrderSelector };

/** @throws CliError `usage` unless exactly one thing is named. */
export function targetOf(grant: string | undefined, options: SelectorOptions): Target {
  const selectors = selectorsOf(options);
  const named = selectors.length + (grant === undefined ? 0 : 1);
  const [selector] = selectors;
  if (named !== 1)
    throw usage(
      'name exactly one: a grant, or one of --agent --on-behalf-of --task --profile --owner --environment --provider --all',
    );
  if (selector) return { kind: 'selector', selector };
  const id = grant ?? '';
  if (parseId('grant', id) === undefined) throw usage(`${JSON.stringify(id)} is no grant's id`, 'see `writ grants`');
  return { kind: 'grant', id };
}

function selectorsOf(options: SelectorOptions): OrderSelector[] {
  const { agent, onBehalfOf, task, profile, owner, environment, provider, all } = options;
  return [
    ...(agent === undefined ? [] : [{ agent }]),
    ...(onBehalfOf === undefined ? [] : [{ on_behalf_of: onBehalfOf }]),
    ...(task === undefined ? [] : [{ task }]),
    ...(profile === undefined ? [] : [{ profile }]),
    ...(owner === undefined ? [] : [{ owner }]),
    ...(environment === undefined ? [] : [{ environment }]),
    ...(provider === undefined ? [] : [{ provider }]),
    ...(all ? [{ all: true } as const] : []),
  ];
}

export function describeSelector(selector: OrderSelector): string {
  return Object.entries(selector)
    .map(([kind, value]) => (value === true ? 'everything' : `${kind} ${String(value)}`))
    .join(', ');
}
