import { Option, type Command } from 'commander';
import type { Exception, ExceptionFilter, ExceptionRequest, ExceptionState } from '../../client/index.ts';
import { connectOperator } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { collect, duration, jsonOption, urlOption, wholeNumber } from '../options.ts';
import type { Shell } from '../shell.ts';
import { table, timeLeft } from '../table.ts';

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
}

interface ListOptions extends CommonOptions, ExceptionFilter {
  readonly limit: number;
}

interface RequestOptions extends CommonOptions {
  readonly profile?: string;
  readonly tool?: string;
  readonly agent?: string;
  readonly policy: readonly string[];
  readonly for: number;
  readonly reviewIn: number;
  readonly reason: string;
}

const STATES: readonly ExceptionState[] = ['requested', 'scheduled', 'active', 'over', 'denied', 'ended', 'lapsed'];
const ANSWERS = {
  approve: 'approve it; never one of your own',
  deny: 'deny it',
  end: 'end it before its time',
} as const;

export function addExceptions(parent: Command, shell: Shell): void {
  const group = parent.command('exceptions').description('dated overrides of policies (operators)');
  group
    .command('list', { isDefault: true })
    .description('exceptions, newest first')
    .addOption(new Option('--state <state>', 'in this state only').choices(STATES))
    .option('--profile <name>', 'of this profile only')
    .option('--tool <name>', 'of this tool only')
    .option('--unreviewed', 'whose review date has passed without one')
    .addOption(new Option('--limit <n>', 'at most so many').argParser(wholeNumber).default(100))
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: ListOptions) => list(shell, options)));
  group
    .command('request')
    .description('ask for one; somebody else has to approve it')
    .option('--profile <name>', 'what it is for: a profile, or')
    .option('--tool <name>', 'a tool')
    .option('--agent <trust/id>', 'for this workload only')
    .addOption(
      new Option('--policy <id>', 'a forbid that it overrides; may be repeated')
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--for <duration>', 'how long, from now').argParser(duration).makeOptionMandatory())
    .addOption(
      new Option('--review-in <duration>', 'when it is looked at, after its end')
        .argParser(duration)
        .default(604_800, '7d'),
    )
    .requiredOption('--reason <text>', 'goes into the record')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(shell.action((options: RequestOptions) => request(shell, options)));
  for (const word of ['approve', 'deny', 'end'] as const) {
    group
      .command(word)
      .description(ANSWERS[word])
      .argument('<exception>', "the exception's id")
      .requiredOption('--reason <text>', 'goes into the record')
      .addOption(jsonOption())
      .addOption(urlOption())
      .action(
        shell.action((id: string, options: CommonOptions & { readonly reason: string }) =>
          answer(shell, word, id, options.reason, options),
        ),
      );
  }
  group
    .command('review')
    .description('say what was made of it; never of one of your own')
    .argument('<exception>', "the exception's id")
    .requiredOption('--note <text>', 'goes into the record')
    .addOption(jsonOption())
    .addOption(urlOption())
    .action(
      shell.action((id: string, options: CommonOptions & { readonly note: string }) =>
        answer(shell, 'review', id, options.note, options),
      ),
    );
}

async function list(
  shell: Shell,
  { limit, state, profile, tool, unreviewed, ...options }: ListOptions,
): Promise<number> {
  const client = await connectOperator(shell, options, 'security');
  const filter = {
    ...(state !== undefined && { state }),
    ...(profile !== undefined && { profile }),
    ...(tool !== undefined && { tool }),
    ...(unreviewed && { unreviewed }),
  };
  const { exceptions, next_cursor } = await client.operator.listExceptions(filter, { limit });
  if (options.json) for (const exception of exceptions) await shell.out.raw(`${JSON.stringify(exception)}\n`);
  else if (exceptions.length === 0) await shell.out.note('writ: no exceptions');
  else {
    const now = shell.now();
    for (const line of table([HEADER, ...exceptions.map((each) => rowOf(each, now))])) await shell.out.line(line);
    if (next_cursor !== undefined) await shell.out.note(`writ: more than ${limit}; see --limit`);
  }
  return EXIT.ok;
}

const HEADER = ['EXCEPTION', 'STATE', 'LEFT', 'USES', 'REVIEW', 'POLICIES', 'FOR'];

function rowOf({ id, state, ends_at, uses, review, policies, scope }: Exception, now: Date): string[] {
  const left = state === 'active' ? timeLeft(now, ends_at) : '-';
  const reviewed = review.reviewed_at === null ? (review.overdue ? 'OVERDUE' : review.by) : 'done';
  const what = Object.entries(scope).map(([member, value]) => `${member} ${String(value)}`);
  return [id, state, left, String(uses), reviewed, policies.join(' '), what.join(', ')];
}

async function request(shell: Shell, options: RequestOptions): Promise<number> {
  const client = await connectOperator(shell, options, 'platform');
  const end = shell.now().getTime() + options.for * 1000;
  const asked: ExceptionRequest = {
    scope: {
      ...(options.profile !== undefined && { profile: options.profile }),
      ...(options.tool !== undefined && { tool: options.tool }),
      ...(options.agent !== undefined && { agent: options.agent }),
    },
    policies: options.policy,
    reason: options.reason,
    ends_at: new Date(end).toISOString(),
    review_by: new Date(end + options.reviewIn * 1000).toISOString(),
  };
  return tell(shell, await client.operator.requestException(asked), options);
}

async function answer(
  shell: Shell,
  word: 'approve' | 'deny' | 'end' | 'review',
  id: string,
  said: string,
  options: CommonOptions,
): Promise<number> {
  const { operator } = await connectOperator(shell, options, word === 'review' ? 'auditor' : 'security');
  const verb = {
    approve: operator.approveException,
    deny: operator.denyException,
    end: operator.endException,
    review: operator.reviewException,
  }[word];
  return tell(shell, await verb(id, said), options);
}

async function tell(shell: Shell, exception: Exception, { json }: CommonOptions): Promise<number> {
  if (json) await shell.out.raw(`${JSON.stringify(exception)}\n`);
  else await shell.out.line(`exception ${exception.id}: ${exception.state}, until ${exception.ends_at}`);
  return EXIT.ok;
}
