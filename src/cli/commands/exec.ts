import { Option, type Command } from 'commander';
import type { Client, IssuedGrant, PendingGrant } from '../../client/index.ts';
import { awaitApproval } from '../approval-wait.ts';
import { deliverAws, wantsEndpoint, type AwsOptions, type Delivery } from '../aws/delivery.ts';
import { runChild, type ChildEnd, type ChildPlan } from '../child.ts';
import { connectWorkload } from '../connect.ts';
import { inheritable } from '../environment.ts';
import { giveBack } from '../giving-back.ts';
import { collect } from '../options.ts';
import { exitCodeOf, makeRelay, untilAskedTwice, type Relay } from '../relay.ts';
import type { Shell } from '../shell.ts';
import { variablesOf, type Variables } from '../variables.ts';
import { addWantedOptions, claimWanted, profileOption, requestWanted, type WantedOptions } from '../wanted.ts';

interface ExecOptions extends WantedOptions, AwsOptions {
  readonly keep?: readonly string[];
}

export function addExec(parent: Command, shell: Shell): void {
  const command = parent
    .command('exec')
    .description('run a command with a credential in its environment only; the grant is revoked when it ends')
    .argument('<command...>', 'after --')
    .addOption(profileOption().makeOptionMandatory());
  addWantedOptions(command)
    .addOption(
      new Option(
        '--keep <name>',
        'a variable to hand down that would be stripped, or a prefix*; may be repeated',
      ).argParser(collect),
    )
    .addOption(
      new Option(
        '--aws-endpoint',
        'AWS credentials from an endpoint of this process, each renewed before its end; the default where they end before the grant',
      ).conflicts('awsStatic'),
    )
    .option('--aws-static', 'AWS credentials as variables, which nobody can renew; the default where they last as long')
    .passThroughOptions()
    .addHelpText('after', HELP)
    .action(shell.action((words: string[], options: ExecOptions) => exec(shell, words, options)));
}

const HELP = `
The command's exit code is passed on: 128+n when signal n ended it, 127 when it is not found, 126 when it cannot be run.
Inherited AWS_*, VAULT_*, PG* and WRIT_* variables that are or choose a credential are stripped.

  writ exec --profile orders-readonly --purpose "count open orders" -- sh -c 'psql "$DATABASE_URL" -c "select 1"'`;

async function exec(shell: Shell, words: readonly string[], options: ExecOptions): Promise<number> {
  const client = await connectWorkload(shell, options);
  const relay = makeRelay(shell.signals);
  try {
    const warn = () => void shell.out.note('writ: stopping once the broker has answered; once more to stop at once');
    const answer = await untilAskedTwice(relay, warn, (signal) => requestWanted(client, options, signal));
    const grant = answer.state === 'active' ? answer : await approved({ shell, client, relay, warn }, answer);
    if (options.verbose) await shell.out.note(`writ: grant ${grant.id}, until ${grant.expires_at}`);
    return await withGrant({ shell, client, grant, relay, options, words });
  } catch (error) {
    const interrupted = relay.first();
    if (interrupted === undefined) throw error;
    return exitCodeOf(interrupted);
  } finally {
    relay.close();
  }
}

/**
 * Waits for the answer, which the first stopping signal ends, and claims. Whoever no longer waits takes the request back: nobody
 * should be asked for what nobody wants.
 */
async function approved(
  { shell, client, relay, warn }: Pick<Running, 'shell' | 'client' | 'relay'> & { readonly warn: () => void },
  pending: PendingGrant,
): Promise<IssuedGrant> {
  const stop = new AbortController();
  relay.to((_signal, stopping) => {
    if (stopping) stop.abort();
  });
  try {
    await awaitApproval(shell, client, pending, stop.signal);
  } catch (error) {
    if (stop.signal.aborted)
      await giveBack({ shell, client, grant: pending, reason: 'exec: it is no longer waited for' });
    throw error;
  }
  return untilAskedTwice(relay, warn, (signal) => claimWanted(client, pending.id, signal));
}

interface Running {
  readonly shell: Shell;
  readonly client: Client;
  readonly grant: IssuedGrant;
  readonly relay: Relay;
  readonly options: ExecOptions;
  readonly words: readonly string[];
}

/** From here on the credential exists: whatever happens, the grant is given back. */
async function withGrant(running: Running): Promise<number> {
  const { shell, client, grant, relay, options } = running;
  let reason = 'exec: the command was not started';
  let delivery: Delivery | undefined;
  try {
    delivery = await deliver(running);
    const plan = planOf(running, delivery.env);
    const interrupted = relay.first();
    if (interrupted !== undefined) return exitCodeOf(interrupted);
    const end = await runChild(plan, relay);
    reason = reasonFor(end);
    if (end.kind === 'not_started') await shell.out.note(`writ: command_not_started: ${plan.command}: ${end.reason}`);
    return end.code;
  } finally {
    await delivery?.close();
    const warn = () =>
      void shell.out.note(`writ: revoking grant ${grant.id}; once more leaves it to its end at ${grant.expires_at}`);
    const given = await untilAskedTwice(relay, warn, (signal) => giveBack({ shell, client, grant, reason, signal }));
    if (given && options.verbose) await shell.out.note(`writ: grant ${grant.id} given back`);
  }
}

async function deliver({ shell, client, grant, options }: Running): Promise<Delivery> {
  const inherited = inheritable(shell.env, options.keep ?? []);
  if (!wantsEndpoint(grant, options)) {
    return { env: { ...inherited, ...variablesOf(grant) }, close: async () => undefined };
  }
  return deliverAws({ client, grant, inherited, now: () => shell.now(), note: (line) => void shell.out.note(line) });
}

function planOf({ shell, words }: Running, env: Variables): ChildPlan {
  const [command = '', ...args] = words;
  return {
    command,
    args,
    env,
    stdio: [shell.stdin.fd, shell.stdout.fd, shell.stderr.fd],
    terminal: Boolean(shell.stdin.isTTY || shell.stdout.isTTY || shell.stderr.isTTY),
    onKill: () => void shell.out.note('writ: asked twice, the command is killed'),
  };
}

/** Goes into the record: how it ended, and nothing of the command line, which may hold secrets. */
function reasonFor(end: ChildEnd): string {
  switch (end.kind) {
    case 'exited':
      return `exec: the command exited with ${end.code}`;
    case 'signalled':
      return `exec: the command was ended by ${end.signal}`;
    case 'not_started':
      return `exec: the command could not be started (${end.reason})`;
  }
}
