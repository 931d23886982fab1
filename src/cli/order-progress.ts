import type { Client, Order, OrderPreview, OrderProgress } from '../client/index.ts';
import { EXIT } from './exit.ts';
import { describeSelector } from './selector.ts';
import type { Shell } from './shell.ts';
import { table } from './table.ts';
import { watch } from './watch.ts';

/** Watches an order, showing its progress by provider, and tells how it stands: 0 confirmed, 3 some are pending. */
export async function followOrder(
  shell: Shell,
  client: Client,
  first: Order,
  options: { readonly wait: number; readonly json: boolean },
): Promise<number> {
  const last = await watch(shell, {
    first,
    read: () => client.operator.order(first.id),
    done: isConfirmed,
    show: async (order) => (options.json ? undefined : shell.out.progress(progressLines(order.by_provider))),
    seconds: options.wait,
  });
  if (options.json) await shell.out.raw(`${JSON.stringify(last)}\n`);
  else await shell.out.line(summary(last));
  return isConfirmed(last) ? EXIT.ok : EXIT.pending;
}

function isConfirmed(order: Order): boolean {
  return order.state === 'complete' && Object.values(order.by_provider).every((one) => one.pending + one.stuck === 0);
}

function summary(order: Order): string {
  const parts = Object.values(order.by_provider);
  const sum = (member: keyof OrderProgress) => parts.reduce((all, one) => all + (one[member] ?? 0), 0);
  const open = `${order.state.replace('_', ' ')}: ${sum('pending')} pending, ${sum('stuck')} stuck`;
  const expired = sum('expired') > 0 ? `, ${sum('expired')} expired` : '';
  const end = isConfirmed(order) ? 'confirmed' : open;
  const lifted = order.lifted ? '; lifted' : '';
  return `order ${order.id} on ${describeSelector(order.selector)}: ${sum('revoked')} of ${order.matched} revoked${expired}, ${end}${lifted}`;
}

export async function showPreview(shell: Shell, preview: OrderPreview, json: boolean): Promise<number> {
  if (json) await shell.out.raw(`${JSON.stringify(preview)}\n`);
  else {
    const rows = Object.entries(preview.by_provider).map(([provider, one]) => [provider, `${one.matched} matched`]);
    for (const line of table(rows)) await shell.out.line(line);
    await shell.out.line(`would revoke ${preview.matched}; nothing was changed`);
  }
  return EXIT.ok;
}

function progressLines(byProvider: Readonly<Record<string, OrderProgress>>): string[] {
  return table(
    Object.entries(byProvider).map(([provider, one]) => [
      provider,
      `${one.matched} matched`,
      `${one.revoked} revoked`,
      ...(one.expired ? [`${one.expired} expired`] : []),
      `${one.pending} pending`,
      `${one.stuck} stuck`,
    ]),
  );
}
