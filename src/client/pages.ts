import type { CallOptions } from './workload.ts';

export interface PageOptions extends CallOptions {
  /** How many on a page, 1 to 500; default 100. */
  readonly limit?: number;
}

export interface ListOptions extends PageOptions {
  /** The page before's `next_cursor`. */
  readonly cursor?: string;
}

export type From = Pick<ListOptions, 'cursor'>;

/** Everything that a list has, page after page, fetched as it is taken. */
export async function* eachOf<Page extends { readonly next_cursor?: string }, Item>(
  fetch: (from: From) => Promise<Page>,
  itemsOf: (page: Page) => readonly Item[],
): AsyncGenerator<Item, void, void> {
  let from: From | undefined = {};
  while (from) {
    const page: Page = await fetch(from);
    yield* itemsOf(page);
    from = page.next_cursor === undefined ? undefined : { cursor: page.next_cursor };
  }
}
