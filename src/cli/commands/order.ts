import { Option, type Command } from 'commander';
import { connectOperator } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { jsonOption, urlOption, wholeNumber } from '../options.ts';
import { followOrder } from '../order-progress.ts';
import type { Shell } from '../shell.ts';

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
}

/** What comes after `writ revoke` by selector: how far it is, and the end of its blocking. */
export function addOrder(parent: Command, shell: Shell): void {
  const group = parent.command('order').description('revocation orders: progress, and lifting them (operators)');
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
