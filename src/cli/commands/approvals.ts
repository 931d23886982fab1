import { Option, type Command } from 'commander';
import type { Approval, ApprovalState } from '../../client/index.ts';
import { connectOperator } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { jsonOption, urlOption, wholeNumber } from '../options.ts';
import type { Shell } from '../shell.ts';
import { table, timeLeft } from '../table.ts';

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
}

interface ListOptions extends CommonOptions {
  readonly state: ApprovalState | 'any';
  readonly kind?: Approval['kind'];
  readonly owner?: string;
  readonly environment?: string;
  readonly limit: number;
}

const STATES = ['pending', 'approved', 'denied', 'lapsed', 'consumed', 'any'] as const;

export function addApprovals(parent: Command, shell: Shell): void {
  const group = parent.command('approvals').description('what waits for a person, and the answers (operators)');
  group
    .command('list', { isDefault: true })
    .description('what waits for an answer')
    .addOption(new Option('--state <state>', 'in this state').choices(STATES).default('pending'))
    .addOption(new Option('--kind <kind>', 'issuances or calls only').choices(['issue', 'call']))
    .option('--owner <name>', "of this owner's profiles and tools only")
    .option('--environment <name>', 'of this environment only')
    .addOption(new Option('--limit <n>', 'at most so many').argParser(wholeNumber).default(100))
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: ListOptions) => list(shell, options)));
  group
    .command('show')
    .description('exactly what is asked, by whom, and what was answered')
    .argument('<approval>', "the approval's id")
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((id: string, options: CommonOptions) => show(shell, id, options)));
  for (const word of ['approve', 'deny'] as const) {
    group
      .command(word)
      .description(word === 'approve' ? 'approve it; never a request of your own' : 'deny it; one is enough')
      .argument('<approval>', "the approval's id")
      .requiredOption('--reason <text>', 'goes into the record')
      .addOption(jsonOption())
      .addOption(urlOption())
      .action(
        shell.action((id: string, options: CommonOptions & { readonly reason: string }) =>
          answer(shell, word, id, options),
        ),
      );
  }
}

async function list(
  shell: Shell,
  { state, kind, owner, environment, limit, ...options }: ListOptions,
): Promise<number> {
  const client = await connectOperator(shell, options, 'approver');
  const filter = {
    ...(state !== 'any' && { state }),
    ...(kind !== undefined && { kind }),
    ...(owner !== undefined && { owner }),
    ...(environment !== undefined && { environment }),
  };
  const { approvals, next_cursor } = await client.operator.listApprovals(filter, { limit });
  if (options.json) for (const approval of approvals) await shell.out.raw(`${JSON.stringify(approval)}\n`);
  else if (approvals.length === 0) await shell.out.note('writ: nothing waits for an answer');
  else {
    const now = shell.now();
    for (const line of table([HEADER, ...approvals.map((approval) => rowOf(approval, now))]))
      await shell.out.line(line);
    if (next_cursor !== undefined) await shell.out.note(`writ: more than ${limit}; see --limit`);
  }
  return EXIT.ok;
}

const HEADER = ['APPROVAL', 'STATE', 'LEFT', 'NEEDS', 'WHAT', 'OWNER', 'REQUESTER'];

function rowOf(approval: Approval, now: Date): string[] {
  const left = approval.closed_at === null ? timeLeft(now, approval.expires_at) : '-';
  const what = `${approval.kind} ${approval.resource}`;
  return [approval.id, approval.state, left, needsOf(approval), what, approval.owner, approval.requester.id];
}

const needsOf = ({ needs }: Approval) => needs.map(({ role, count }) => `${count} ${role}`).join(' + ');

async function show(shell: Shell, id: string, options: CommonOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'approver');
  const approval = await client.operator.approval(id);
  if (options.json) await shell.out.raw(`${JSON.stringify(approval)}\n`);
  else for (const line of linesOf(approval)) await shell.out.line(line);
  return EXIT.ok;
}

/** What somebody has to have seen before they answer: all of it, and nothing in other words. */
function linesOf(approval: Approval): string[] {
  const { requester, on_behalf_of, answers } = approval;
  return [
    `${approval.kind} ${approval.resource} (${approval.owner}, ${approval.environment}): ${approval.state}`,
    `requester    ${requester.trust}/${requester.id}${on_behalf_of === null ? '' : `, on behalf of ${on_behalf_of}`}`,
    `until        ${approval.expires_at}`,
    `needs        ${needsOf(approval)}`,
    ...answers.map(({ by, answer: word, reason }) => `${word.padEnd(12)} ${by.subject} (${by.issuer}): ${reason}`),
    'asked:',
    ...JSON.stringify(approval.asked, null, 2)
      .split('\n')
      .map((line) => `  ${line}`),
    `sha256       ${approval.asked_hash}`,
  ];
}

async function answer(
  shell: Shell,
  word: 'approve' | 'deny',
  id: string,
  options: CommonOptions & { readonly reason: string },
): Promise<number> {
  const client = await connectOperator(shell, options, 'approver');
  const approval = await client.operator[word](id, options.reason);
  if (options.json) await shell.out.raw(`${JSON.stringify(approval)}\n`);
  else {
    const more = approval.state === 'pending' ? `; it needs ${needsOf(approval)}` : '';
    await shell.out.line(`${approval.kind} ${approval.resource}: ${approval.state}${more}`);
  }
  return EXIT.ok;
}
