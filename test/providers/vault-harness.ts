import type { JsonObject } from '../../src/domain/json.ts';
import { VaultSection } from '../../src/providers/vault/section.ts';
import type { Answer, Request, Trouble } from '../support/vault/index.ts';
import type { Faults, ProviderHarness } from './harness.ts';
import { PARAMETERS, sectionOf, vaultProfile, type Shape } from './vault-shapes.ts';
import type { VaultWorld } from './vault-world.ts';

/** For the contract suite: one harness for each shape of credential. */
export function vaultHarness(shape: Shape, world: VaultWorld): ProviderHarness {
  const unwrapped = new Map<string, string>();
  const provider = world.provider();
  // Nothing but an entity is listed by name.
  const { names: _names, ...unlisted } = provider;
  return {
    provider: shape === 'entity' ? provider : unlisted,
    profile: vaultProfile(VaultSection.parse(sectionOf(shape, world.names))),
    parameters: PARAMETERS,
    shortestLifeSeconds: world.shortestLifeSeconds,
    ...(shape === 'entity' || shape === 'policy' ? {} : { tidy: true }),
    now: () => world.now(),
    pass: (instant) => world.passTo(instant),
    use: (credential) => useOf(world, unwrapped, credential),
    secrets(credential) {
      const data = (credential['data'] ?? {}) as JsonObject;
      return [credential['token'], credential['wrapping_token'], data['password']].filter(
        (each): each is string => typeof each === 'string',
      );
    },
    alive: (mint) => world.isAlive(mint),
    traces: (mint) => world.traces(mint),
    faults: { ...faultsOf(world, shape), ...wireFaults(world, shape) },
    close: () => world.close(),
  };
}

/** As an agent: a secret of the month with the token, unwrapped when it has to be, or a login at the database. */
async function useOf(world: VaultWorld, unwrapped: Map<string, string>, credential: JsonObject) {
  if (credential['type'] === 'vault_secret') {
    return (await world.admits(credential['data'] as JsonObject)) ? 'works' : 'refused';
  }
  const wrapping = credential['wrapping_token'];
  let token = credential['token'];
  if (typeof wrapping === 'string') {
    const known = unwrapped.get(wrapping) ?? (await unwrap(world, wrapping));
    if (known === undefined) return 'refused';
    unwrapped.set(wrapping, known);
    token = known;
  }
  const headers = { 'X-Vault-Token': String(token) };
  const response = await fetch(`${world.url}/v1/secret/data/inv/2026-10/total`, { headers });
  await response.text();
  if (response.status === 200) return 'works';
  if (response.status === 403) return 'refused';
  throw new Error(`answered with ${response.status}`);
}

async function unwrap(world: VaultWorld, wrapping: string): Promise<string | undefined> {
  const headers = { 'X-Vault-Token': wrapping };
  const response = await fetch(`${world.url}/v1/sys/wrapping/unwrap`, { method: 'POST', headers });
  const { auth } = (await response.json()) as { auth?: { client_token?: string } };
  return auth?.client_token;
}

/** In the body of the token's creation. */
const altering =
  (change: JsonObject): NonNullable<Trouble['alter']> =>
  (request: Request) =>
    request.path.startsWith('auth/token/create/') ? { ...request, body: { ...request.body, ...change } } : request;

/** In what its look-up says. */
const telling =
  (change: JsonObject): NonNullable<Trouble['tell']> =>
  (answer: Answer, request: Request) =>
    request.path === 'auth/token/lookup-accessor' && answer.status === 200
      ? { ...answer, body: { ...answer.body, data: { ...(answer.body?.['data'] as object), ...change } } }
      : answer;

/** In the metadata that its look-up says, beside what else is in it. */
const tellingMeta =
  (change: JsonObject): NonNullable<Trouble['tell']> =>
  (answer, request) => {
    const { meta } = (answer.body?.['data'] ?? {}) as { meta?: JsonObject };
    return telling({ meta: { ...meta, ...change } })(answer, request);
  };

function faultsOf(world: VaultWorld, shape: Shape): Faults {
  const lie = (name: string, trouble: Trouble) => ({
    name,
    provider: async () => (await world.troubled(trouble)).provider,
  });
  const more = `${world.names.prefix}more`;
  const { policies } = VaultSection.parse(sectionOf(shape, world.names));
  return {
    lies: [
      lie('a policy more', { alter: altering({ policies: [...policies, more] }) }),
      lie('another policy', { alter: altering({ policies: [more] }) }),
      lie('the default policy too', { tell: telling({ policies: [...policies, 'default'] }) }),
      lie('policies of a group', { tell: telling({ identity_policies: [more] }) }),
      lie('a longer first life', { alter: altering({ ttl: '600s' }) }),
      lie('no greatest life', { alter: altering({ explicit_max_ttl: '0s' }) }),
      lie('a longer greatest life', { alter: altering({ explicit_max_ttl: '7200s' }) }),
      lie('renewed for ever', { tell: telling({ period: 30 }) }),
      lie('not to be extended', { alter: altering({ renewable: false }) }),
      lie('counted uses', { alter: altering({ num_uses: 5 }) }),
      lie('a parent', { tell: telling({ orphan: false }) }),
      lie('a batch token', { tell: telling({ type: 'batch' }) }),
      lie('another role', { tell: telling({ role: 'agents' }) }),
      lie('another grant in its metadata', { alter: altering({ meta: { writ_grant: 'g' } }) }),
      lie('another grant, and else its own metadata', { tell: tellingMeta({ writ_grant: 'g' }) }),
      lie('more metadata', { tell: tellingMeta({ team: 'payments' }) }),
      lie('an entity that is not its own', { tell: telling({ entity_id: 'of-somebody-else' }) }),
      lie('an accessor that is not its own', {
        tell: (answer, { path }) => {
          const auth = answer.body?.['auth'];
          const other = { ...(auth as object), accessor: 'anotheraccessor' };
          return path.startsWith('auth/token/create/') && auth
            ? { ...answer, body: { ...answer.body, auth: other } }
            : answer;
        },
      }),
    ].filter(({ name }) => shape !== 'wrapped' || name !== 'an accessor that is not its own'),
    async cut(message) {
      const { provider, door } = await world.troubled();
      const { happened } = door.cutAt(message);
      return { provider, happened };
    },
    // With an entity of its own a mint can be killed by name, and is never undecided.
    ...(shape !== 'entity' && {
      async undecided(plan) {
        const { token, policy } = plan.request as { token: object; policy?: { name: string; text: string } };
        if (policy) await world.admin.call('POST', `sys/policies/acl/${policy.name}`, { policy: policy.text });
        await world.admin.call('POST', `auth/token/create/${world.names.role}`, token);
        return { settle: () => Promise.resolve() };
      },
    }),
  };
}

/** Each waits for a call to give up, so that two shapes are enough: with and without something to clear away. */
function wireFaults(world: VaultWorld, shape: Shape): Faults {
  if (shape !== 'token' && shape !== 'entity') return {};
  return {
    async unreachable() {
      const { provider, door } = await world.troubled();
      await door.close();
      return provider;
    },
    silent: async () => (await world.troubled({ silent: true })).provider,
    async refusing() {
      const auth = { method: 'approle', role_id: world.made.roleId, secret_id: 'not-the-secret' };
      return (await world.troubled({}, { config: { auth } })).provider;
    },
    throttled: async () => (await world.troubled({ status: 429 })).provider,
  };
}
