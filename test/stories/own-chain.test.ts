import type { Client, Evaluation } from '../../src/client/index.ts';
import { codeOf } from '../support/codes.ts';
import { startStory } from './world.ts';
import type { Story } from './world.ts';

/**
 * Nobody answers what is asked for on their own chain: not the person in whose name a task began, not the one whose agent
 * began it, handed it on or asks, however far down it is asked; for a credential, for a call on the task, and for a call
 * under a credential of it. Whoever is on no chain does.
 */
const RULES = {
  'profiles/books.yaml': `
name: books
provider: tools
owner: billing
environment: production
effect: read
ttl: { default: 10m, max: 1h, min: 1m }
jwt: { audience: "https://tools.test", scope: "books:read" }
`,
  'profiles/books-write.yaml': `
name: books-write
provider: tools
owner: billing
environment: production
effect: write
ttl: { default: 10m, max: 1h, min: 1m }
jwt: { audience: "https://tools.test", scope: "books:write" }
`,
  'tools/book.yaml': `
name: book
owner: billing
environment: production
effect: write
audience: "https://tools.test"
arguments:
  type: object
  required: [entry]
  properties: { entry: { type: string, maxLength: 20 } }
mapping:
  entry: { type: String, cel: arguments.entry }
record: { arguments: all }
`,
  'policies/books.cedar': `
@id("tasks") permit (principal, action in [Action::"create_task", Action::"delegate"], resource);
@id("use") permit (principal, action in [Action::"issue", Action::"call"], resource);
@id("writes-need-approval") @requires("approval")
forbid (principal, action in [Action::"issue", Action::"call"], resource)
when { resource.effect != "read" } unless { context has approval };
`,
};

let story: Story;
beforeAll(async () => {
  story = await startStory(RULES);
});
afterAll(() => story.close());

/** A part of a task as it has come to `asker`. */
interface Part {
  readonly asker: Client;
  readonly task: string;
}

/** From hand to hand, the first of whom makes the task, on behalf of somebody perhaps. */
async function handedDown(
  [first, ...others]: readonly Client[],
  onBehalfOf?: { readonly token: string },
): Promise<Part> {
  if (!first) throw new Error('nobody begins');
  const root = await first.workload.createTask({
    purpose: 'close the books',
    mode: 'autonomous',
    environment: 'production',
    ...(onBehalfOf && { on_behalf_of: onBehalfOf }),
  });
  let part = { asker: first, task: root.id, token: root.token };
  for (const asker of others) {
    const { task, access_token: token } = await asker.workload.takeTask(part.token);
    part = { asker, task, token };
  }
  return part;
}

const lead = () => story.agent('lead');
const helper = () => story.agent('helper');
const worker = () => story.agent('worker');
const CHAINS = [
  {
    where: 'in whose name it began, two hops up',
    chain: () => handedDown([lead(), helper(), worker()], { token: story.person('ada') }),
    involved: ['ada'],
  },
  {
    where: 'whose own agent began it',
    chain: () => handedDown([story.agentOf('ada'), helper(), worker()]),
    involved: ['ada'],
  },
  {
    where: 'whose own agent handed it on, in the middle',
    chain: () => handedDown([lead(), story.agentOf('grace'), worker()]),
    involved: ['grace'],
  },
  {
    where: 'whose own agent asks, at the end',
    chain: () => handedDown([lead(), helper(), story.agentOf('grace')]),
    involved: ['grace'],
  },
  {
    where: 'at the head and in the middle, two people',
    chain: () => handedDown([lead(), story.agentOf('grace'), worker()], { token: story.person('ada') }),
    involved: ['ada', 'grace'],
  },
] as const;

/** Something that waits for an approval, and what its asker gets once there is one. */
interface Waiting {
  readonly approval: string;
  claim(): Promise<boolean>;
}

async function credential({ asker, task }: Part): Promise<Waiting> {
  const answer = await asker.workload.issue({ profile: 'books-write', task });
  if (answer.state !== 'pending_approval') throw new Error(answer.state);
  const claim = async () => (await codeOf(asker.workload.claim(answer.id))) === 'done';
  return { approval: answer.approval.id, claim };
}

async function call({ asker }: Part, under: { readonly task: string } | { readonly grant: string }): Promise<Waiting> {
  const question: Evaluation = {
    action: { name: 'call' },
    resource: { type: 'tool', id: 'book' },
    context: { arguments: { entry: '4711' }, ...under },
  };
  const denial = await asker.workload.evaluate(question);
  const offer = denial.context?.access_request;
  if (denial.decision || !offer) throw new Error(JSON.stringify(denial));
  const { id } = (await asker.workload.requestAccess(question, offer)).task;
  const again = { ...question, context: { ...question.context, approval: id } };
  return { approval: id, claim: async () => (await asker.workload.evaluate(again)).decision };
}

const KINDS = [
  { kind: 'a credential', ask: credential },
  { kind: 'a call on the task', ask: (part: Part) => call(part, { task: part.task }) },
  {
    kind: 'a call under a credential of the task',
    ask: async (part: Part) => {
      const { id } = await part.asker.workload.issue({ profile: 'books', task: part.task });
      return call(part, { grant: id });
    },
  },
] as const;

describe.each(CHAINS)('who is on the chain, $where', ({ chain, involved }) => {
  test.each(KINDS)('answers nothing about $kind', async ({ ask }) => {
    const { approval, claim } = await ask(await chain());
    for (const who of involved) {
      const { operator } = story.operator(who);
      expect(await codeOf(operator.approve(approval, 'mine'))).toBe('own_request');
      expect(await codeOf(operator.deny(approval, 'mine'))).toBe('own_request');
    }
    expect(await claim()).toBe(false);
    await story.operator('barbara').operator.approve(approval, 'seen');
    expect(await claim()).toBe(true);
  });
});

test('an enforcement point that asks for somebody changes nothing about who is on the chain', async () => {
  const part = await handedDown([lead(), story.agentOf('grace'), worker()], { token: story.person('ada') });
  const { id: grant } = await part.asker.workload.issue({ profile: 'books', task: part.task });
  const question: Evaluation = {
    subject: { type: 'workload', id: 'spiffe://test.example/agent/worker', properties: { trust: 'mesh' } },
    action: { name: 'call' },
    resource: { type: 'tool', id: 'book' },
    context: { arguments: { entry: '4711' }, grant },
  };
  const { access_request: offer } = (await story.gateway.workload.evaluate(question)).context ?? {};
  if (!offer) throw new Error('an approval would not help');
  const { id } = (await story.gateway.workload.requestAccess(question, offer)).task;
  for (const who of ['ada', 'grace'])
    expect(await codeOf(story.operator(who).operator.approve(id, 'mine'))).toBe('own_request');
  await story.operator('barbara').operator.approve(id, 'seen');
  const again = { ...question, context: { ...question.context, approval: id } };
  expect((await story.gateway.workload.evaluate(again)).decision).toBe(true);
});
