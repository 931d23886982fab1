import type { Identity } from '../domain/identity.ts';

/** A registered resource server or enforcement point. */
export interface Client {
  readonly name: string;
  readonly trust: string;
  readonly id: string;
  readonly may: readonly ('introspect' | 'evaluate')[];
  readonly audiences: readonly string[];
}

/** The one that this identity is registered as, where it may do this. */
export function clientOf(
  clients: readonly Client[],
  { trust, id }: Pick<Identity, 'trust' | 'id'>,
  right: Client['may'][number],
): Client | undefined {
  return clients.find((entry) => entry.trust === trust && entry.id === id && entry.may.includes(right));
}
