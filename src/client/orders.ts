import type { Actor } from '../domain/identity.ts';
import type { SelectorKind } from '../domain/selector.ts';

/** The wire's words for revocation orders (CONTRACT, *HTTP for operators*). */
export interface OrderRequest {
  readonly selector: OrderSelector;
  readonly reason: string;
  /** Counts what would be ended and changes nothing. */
  readonly dry_run?: boolean;
  /** Default true: nothing that matches is issued until the order is lifted. */
  readonly block?: boolean;
}

/** Exactly one member. */
export type OrderSelector =
  | { readonly [Kind in Exclude<SelectorKind, 'all'>]: { readonly [Member in Kind]: string } }[Exclude<
      SelectorKind,
      'all'
    >]
  | { readonly all: true };

export const ORDER_STATES = ['sweeping', 'in_progress', 'complete'] as const;
/** `sweeping`: matching grants are still being found. `complete`: everything that matched is confirmed ended. */
export type OrderState = (typeof ORDER_STATES)[number];

export interface OrderProgress {
  readonly matched: number;
  readonly revoked: number;
  /** Could not be revoked and came to its end. */
  readonly expired?: number;
  readonly pending: number;
  readonly stuck: number;
}

export interface Order extends OrderHead {
  readonly matched: number;
  readonly state: OrderState;
  readonly by_provider: Readonly<Record<string, OrderProgress>>;
}

/** An order as lists have it: without how far it is. */
export interface OrderHead {
  readonly id: string;
  readonly selector: OrderSelector;
  readonly reason: string;
  readonly created_at: string;
  readonly created_by: Actor;
  readonly block?: boolean;
  readonly lifted: boolean;
  /** Of an order for `all`: since when it waits for the second of two people, and who was the first. */
  readonly lift_requested_at?: string | null;
  readonly lift_requested_by?: Actor | null;
  readonly lifted_at?: string | null;
  readonly lifted_by?: Actor | null;
}

export interface OrderFilter {
  /** Those that block now, or those that do not: lifted, or given to end only. */
  readonly blocking?: boolean;
}

export interface OrderPage {
  readonly orders: readonly OrderHead[];
  readonly next_cursor?: string;
}

/** What an order would match, had it been given. */
export interface OrderPreview {
  readonly matched: number;
  readonly by_provider: Readonly<Record<string, OrderProgress>>;
}

/** Lifting stops the blocking and cancels no revocation. An order for `all` is lifted by a second operator. */
export type LiftAnswer =
  { readonly outcome: 'lifted'; readonly order: Order } | { readonly outcome: 'lift_requested'; readonly order: Order };
