import { Option, type Command } from 'commander';
import type { OrderHead } from '../../client/index.ts';
import { connectOperator } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { limitOption, printList } from '../listing.ts';
import { jsonOption, urlOption, wholeNumber } from '../options.ts';
import { followOrder } from '../order-progress.ts';
import { describeSelector } from '../selector.ts';
import type { Shell } from '../shell.ts';

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
}

interface ListOptions extends CommonOptions {
  readonly blocking?: boolean;
  readonly limit?: number;
}

/** What comes after `writ revoke` by selector: how far it is, and the end of its blocking. */
export function addOrder(parent: Command, shell: Shell): void {
  const group = parent.command('order').description('revocation orders: what stands, progress, lifting (operators)');
  group
    .command('list')
    .description('orders, newest first')
    .option('--blocking', 'those that block now')
    .addOption(limitOption())
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: ListOptions) => list(shell, options)));
  group
    .command('show')
    .description('how far an order is; exit code 3 while some is pending')
    .argument('<order>', "the order's id")
    .addOption(new Option('--wait <seconds>', 'for the confirmation').argParser(wholeNumber).default(0))
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((id: string, options: CommonOptions & { readonly wait: number }) => show(shell, id, options)));
  group
    .command('lift')
    .description('stop its blocking; what it revoked stays revoked')
    .argument('<order>', "the order's id")
    .requiredOption('--reason <text>', 'goes into the record')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(
      shell.action((id: string, options: CommonOptions & { readonly reason: string }) => lift(shell, id, options)),
    );
}

async function list(shell: Shell, { blocking, ...options }: ListOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  const filter = blocking ? { blocking } : {};
  return printList(shell, options, (limit) => client.operator.eachOrder(filter, { limit }), {
    what: 'orders',
    header: ['ORDER', 'BLOCKS', 'SINCE', 'OVER', 'REASON'],
    row: (order) => [order.id, blocks(order), order.created_at, describeSelector(order.selector), order.reason],
  });
}

function blocks({ block, lifted, lift_requested_at }: OrderHead): string {
  if (lifted) return 'lifted';
  if (block === false) return 'no';
  return lift_requested_at ? 'yes (lift asked for)' : 'yes';
}

async function show(shell: Shell, id: string, options: CommonOptions & { readonly wait: number }): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  return followOrder(shell, client, await client.operator.order(id), {
    wait: options.wait,
    json: Boolean(options.json),
  });
}

/** Exit code 3 where a second operator has to lift it too. */
async function lift(shell: Shell, id: string, options: CommonOptions & { readonly reason: string }): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  const { outcome, order } = await client.operator.liftOrder(id, options.reason);
  if (options.json) await shell.out.raw(`${JSON.stringify({ outcome, ...order })}\n`);
  else if (outcome === 'lifted') await shell.out.line(`order ${id} is lifted`);
  else await shell.out.line(`order ${id} is lifted once another operator lifts it too`);
  return outcome === 'lifted' ? EXIT.ok : EXIT.pending;
}
