import { inspect } from 'node:util';
import type { JsonObject } from '../../src/domain/json.ts';
import { findSecrets, type Written } from '../secrets/spelling.ts';
import type { Trouble } from '../support/vault/index.ts';
import { sectionOf, SHAPES, type Shape } from './vault-shapes.ts';
import { forever, recordOf, vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/**
 * No secret is at rest: neither the credential's, nor the child token behind a secret, nor the broker's own token and what it
 * logs in with, in nothing that is stored, answered with, thrown or printed, however it is spelled.
 */
let world: FakeVaultWorld;
beforeAll(async () => {
  world = await vaultWorld();
});
afterAll(() => world.close());

/** Everything secret that was made from a moment on, also what is no more. */
function secretsFrom(moment: { readonly tokens: number; readonly passwords: number }): Record<string, string> {
  const tokens = world.server.state().everMade().slice(moment.tokens);
  const passwords = world.server.database.passwords.slice(moment.passwords);
  const named = [...tokens, ...passwords].map((secret, index) => [`secret ${index}`, secret] as const);
  return { ...Object.fromEntries(named), secret_id: world.made.secretId };
}
const moment = () => ({
  tokens: world.server.state().everMade().length,
  passwords: world.server.database.passwords.length,
});

const written = (where: string, what: unknown): Written[] => [
  { where: `${where}, inspected`, text: inspect(what, { depth: 12, showHidden: true, getters: true }) },
  { where: `${where}, as JSON`, text: JSON.stringify([what]) },
  {
    where: `${where}, as text`,
    text: what instanceof Error ? `${what.stack ?? ''}${String(what.cause)}` : String(what),
  },
];

const TROUBLES: readonly (readonly [string, Trouble])[] = [
  ['none', {}],
  ['400', { only: /token\/create/, status: 400 }],
  ['403 for everything', { status: 403 }],
  ['500 after the token', { only: /lookup-accessor/, status: 500 }],
  ['503 for the secret', { only: /database/, status: 503 }],
  ['no JSON', { only: /token\/create/, text: '<html>' }],
  ['a redirect', { only: /token\/create/, redirectTo: 'http://127.0.0.1:9' }],
  ['a lie', { only: /token\/create/, alter: (asked) => ({ ...asked, body: { ...asked.body, num_uses: 9 } }) }],
];

test.each(SHAPES.flatMap((shape) => TROUBLES.map(([name, trouble]) => ({ shape, name, trouble }))))(
  '$shape, trouble: $name',
  async ({ shape, trouble }) => {
    const lines: Written[] = [];
    const began = moment();
    const streams = [process.stdout, process.stderr] as const;
    const restore = streams.map((stream) => {
      const write = stream.write.bind(stream);
      stream.write = (chunk: string | Uint8Array) => {
        lines.push({ where: 'printed', text: Buffer.from(chunk).toString() });
        return true;
      };
      return () => (stream.write = write);
    });
    try {
      lines.push(...(await everything(shape, trouble)));
    } finally {
      restore.forEach((undo) => undo());
    }
    expect(lines.length).toBeGreaterThan(10);
    const secrets = secretsFrom(began);
    expect(Object.keys(secrets).length).toBeGreaterThan(2);
    expect(findSecrets(lines, secrets)).toEqual([]);
  },
);

/** All that comes of a mint's whole life, but the credential itself. */
async function everything(shape: Shape, trouble: Trouble): Promise<Written[]> {
  const { provider, door } = await world.troubled();
  const request = world.request();
  const plan = world.plan(provider, sectionOf(shape), request);
  const record = recordOf(plan, request);
  const lines = written('plan', plan);
  const note = async (where: string, work: () => Promise<unknown> | undefined) => {
    const outcome = await Promise.resolve()
      .then(work)
      .catch((error: unknown) => error);
    lines.push(...written(where, outcome));
    return outcome as { handle?: JsonObject } | undefined;
  };
  // Once without trouble, so that the broker has a token to lose.
  await note('first', () => provider.mint(world.plan(provider, sectionOf(shape)), forever));
  door.trouble = trouble;
  const minted = await note('mint', () => provider.mint(plan, forever));
  const handle = minted?.handle ?? {};
  await note('confirm', () => provider.confirm?.(handle, forever));
  await note('check', () => provider.check(forever, []));
  await note('find', () => provider.find(record, forever));
  await note('end', () => provider.end(record, handle, 'revocation', forever));
  await note('cleanup', () => provider.cleanup?.(record, forever));
  lines.push(...written('provider', provider));
  await provider.close();
  return lines;
}

test('the search finds what there is to find', async () => {
  const { provider } = await world.troubled();
  const began = moment();
  const { credential } = await provider.mint(world.plan(provider, sectionOf('token')), forever);
  expect(findSecrets(written('credential', credential.reveal()), secretsFrom(began)).length).toBeGreaterThan(0);
  expect(findSecrets(written('secret', credential), secretsFrom(began))).toEqual([]);
  await provider.close();
});
