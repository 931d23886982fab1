import { Option, type Command } from 'commander';
import type { Grant, OrderSelector } from '../../client/index.ts';
import { LIVE_STATES, type GrantState } from '../../domain/grant.ts';
import { connectOperator, connectWorkload, hasIdentity } from '../connect.ts';
import { EXIT, usage } from '../exit.ts';
import { jsonOption, urlOption, wholeNumber } from '../options.ts';
import { followOrder, showPreview } from '../order-progress.ts';
import { targetOf, type SelectorOptions } from '../selector.ts';
import type { Shell } from '../shell.ts';
import { watch } from '../watch.ts';

interface RevokeOptions extends SelectorOptions {
  readonly reason: string;
  readonly dryRun?: boolean;
  readonly block: boolean;
  readonly wait: number;
  readonly json?: boolean;
  readonly url?: string;
}

export function addRevoke(parent: Command, shell: Shell): void {
  parent
    .command('revoke')
    .description('revoke one grant, or everything that a selector matches')
    .argument('[grant]', "a grant's id")
    .requiredOption('--reason <text>', 'goes into the record')
    .option('--agent <id>', 'every grant of this workload')
    .option('--on-behalf-of <id>', 'every grant on behalf of this principal')
    .option('--task <id>', 'every grant of this task, and of all below it')
    .option('--profile <name>', 'every grant of this profile')
    .option('--owner <name>', "every grant of this owner's profiles")
    .option('--environment <name>', 'every grant of this environment')
    .option('--provider <name>', 'every grant of this provider')
    .option('--all', 'every grant there is; two people lift it')
    .option('--dry-run', 'say what would be revoked and change nothing')
    .option('--no-block', 'with a selector: do not block what matches from now on')
    .addOption(new Option('--wait <seconds>', 'for the confirmation').argParser(wholeNumber).default(30))
    .addOption(jsonOption())
    .addOption(urlOption())
    .addHelpText('after', HELP)
    .action(shell.action((grant: string | undefined, options: RevokeOptions) => revoke(shell, grant, options)));
}

const HELP = `
A selector makes an order: it ends what matches and blocks it until \`writ order lift\`. It takes an operator's token; one
grant by its id takes that or, where WRIT_OPERATOR_TOKEN is not set, the identity of the workload that it belongs to.
Exit code 0 when everything is confirmed, 3 when some is still pending at the end of the wait.

  writ revoke g4k2m8q0r5t1w --reason "laptop lost"
  writ revoke --owner payments --reason "incident 4711" --dry-run`;

async function revoke(shell: Shell, grant: string | undefined, options: RevokeOptions): Promise<number> {
  const target = targetOf(grant, options);
  if (target.kind === 'selector') return revokeBySelector(shell, target.selector, options);
  if (!options.block) throw usage('--no-block goes with a selector: one grant is revoked without blocking anything');
  return revokeGrant(shell, target.id, options);
}

async function revokeBySelector(shell: Shell, selector: OrderSelector, options: RevokeOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  const request = { selector, reason: options.reason, ...(!options.block && { block: false }) };
  if (options.dryRun) return showPreview(shell, await client.operator.previewOrder(request), Boolean(options.json));
  const order = await client.operator.createOrder(request);
  await shell.out.note(`writ: order ${order.id}`);
  return followOrder(shell, client, order, { wait: options.wait, json: Boolean(options.json) });
}

async function revokeGrant(shell: Shell, id: string, options: RevokeOptions): Promise<number> {
  const verbs = await verbsFor(shell, options);
  if (options.dryRun) {
    const found = await verbs.grant(id);
    const sentence = isOpen(found) ? `would revoke ${describe(found)}` : `nothing to revoke: ${describe(found)}`;
    await (options.json
      ? shell.out.raw(`${JSON.stringify(found)}\n`)
      : shell.out.line(`${sentence}; nothing was changed`));
    return EXIT.ok;
  }
  const last = await watch(shell, {
    first: await verbs.revoke(id, options.reason),
    read: () => verbs.grant(id),
    done: (grant) => !isOpen(grant),
    show: async (grant) => (isOpen(grant) && !options.json ? shell.out.progress([describe(grant)]) : undefined),
    seconds: options.wait,
  });
  if (options.json) await shell.out.raw(`${JSON.stringify(last)}\n`);
  else
    await shell.out.line(
      isOpen(last) ? `${describe(last)}: accepted, not confirmed yet${honest(last)}` : describe(last),
    );
  return isOpen(last) ? EXIT.pending : EXIT.ok;
}

/** The same two verbs, asked as whoever this is. A development operator is the last resort: an identity was given on purpose. */
async function verbsFor(shell: Shell, options: RevokeOptions) {
  const asWorkload = !shell.env['WRIT_OPERATOR_TOKEN'] && hasIdentity(shell.env);
  return asWorkload
    ? (await connectWorkload(shell, options)).workload
    : (await connectOperator(shell, options, 'security')).operator;
}

const LIVE: ReadonlySet<GrantState> = new Set(LIVE_STATES);

function isOpen(grant: Grant): boolean {
  return LIVE.has(grant.state);
}

function describe(grant: Grant): string {
  return `grant ${grant.id} of ${grant.profile}: ${grant.state}`;
}

/** What can still be done with the credential until then (DESIGN, promise 5). */
function honest({ revocability, expires_at }: Grant): string {
  const end = `; it ends at ${expires_at} at the latest`;
  switch (revocability?.mode) {
    case 'eventual':
      return `; its deny is expected to bite within ${revocability.expected_seconds}s${end}`;
    case 'bounded':
      return `; its life limits the exposure to ${revocability.within_seconds}s${end}`;
    case 'expiry_only':
      return `; it cannot be revoked at its provider${end}`;
    case 'immediate':
    case undefined:
      return end;
  }
}
