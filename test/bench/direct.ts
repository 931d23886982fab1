/** A provider's own calls, made directly and in the order in which the provider makes them. */
import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import nodeVault from 'node-vault';
import { makeIds } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { aws } from '../../src/providers/aws/index.ts';
import { AwsRequest } from '../../src/providers/aws/plan.ts';
import type { Plan, ProviderKind } from '../../src/providers/provider.ts';
import { vault } from '../../src/providers/vault/index.ts';
import { VaultRequest } from '../../src/providers/vault/plan.ts';

/** As `writ.yaml` and the profiles have them. */
export interface DirectInput {
  readonly aws: { readonly entry: JsonObject; readonly section: JsonObject };
  readonly vault: { readonly entry: JsonObject; readonly section: JsonObject; readonly entity: JsonObject };
}
/** By the client that the provider uses; `bare`: by requests written by hand, as nobody would make them. */
export type CallKind = 'aws' | 'vault' | 'vault-bare' | 'vault-entity' | 'vault-entity-bare';
/** What is called before the issuance is on record; it answers with what is called after that, where there is such. */
export type Call = () => Promise<(() => Promise<void>) | void>;
export type Calls = Readonly<Record<CallKind, Call>>;

/** Nothing ends while it is measured: what an end takes is not of the issuances beside it. */
export const TTL_SECONDS = 3_600;

const ids = makeIds(randomBytes, Date.now);
const clock = { now: () => new Date(), offsetMs: () => 0 };

/** What the provider would ask for a grant of an hour. */
function planOf<Config>(kind: ProviderKind<Config>, entry: JsonObject, section: JsonObject): Plan {
  const provider = kind.create('bench', kind.config.parse(entry), {
    clock,
    issuer: 'http://127.0.0.1',
    introspectingAudiences: new Set(),
    reservedAudiences: new Set(),
    signer: { sign: () => Promise.reject(new Error('nothing is signed')) },
    readFile: () => Promise.reject(new Error('no file is read')),
  });
  const profile: Profile = {
    name: 'bench',
    provider: 'bench',
    owner: 'bench',
    environment: 'development',
    effect: 'read',
    ttl: { default: 300, max: 3_600, min: 1 },
    parameters: {},
    section: kind.section.parse(section),
  };
  const names = { mint: ids.mint(), grant: ids.grant(), task: ids.task() };
  const subject = { trust: 'dev', id: 'spiffe://dev.local/agent/0' };
  const now = clock.now();
  return provider.plan(profile, {}, { ...names, subject, now, endsAt: new Date(now.getTime() + TTL_SECONDS * 1_000) });
}

function assumeRole({ entry, section }: DirectInput['aws']): Call {
  const { assume_role: asked } = AwsRequest.parse(planOf(aws, entry, section).request);
  const { region, endpoint, credentials } = entry as Record<string, string> & { credentials: Record<string, string> };
  const { access_key_id: accessKeyId = '', secret_access_key: secretAccessKey = '' } = credentials;
  const sts = new STSClient({
    region: region ?? '',
    endpoint: endpoint ?? '',
    credentials: { accessKeyId, secretAccessKey },
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: 50 } },
  });
  return async () => {
    const { Credentials: made } = await sts.send(new AssumeRoleCommand(asked));
    if (!made?.SessionToken) throw new Error('no session');
  };
}

/** With a time of its own it heeds the server's, and is the first to close what is idle: a request must not meet that. */
const agent = new Agent({ keepAlive: true, timeout: 60_000 });
type Ask = (method: 'GET' | 'POST', path: string, body?: JsonObject) => Promise<unknown>;

/** Requests as bare as they can be: nothing is judged but the status. */
function bare(address: string, token: string): Ask {
  return (method, path, body) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const length = text === undefined ? {} : { 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const url = `${address}/v1/${path}`;
      const sent = httpRequest(url, { method, agent, headers: { 'x-vault-token': token, ...length } }, (answer) => {
        let received = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
        answer.on('end', () => {
          if ((answer.statusCode ?? 0) >= 300) reject(new Error(`${path}: ${answer.statusCode} ${received}`));
          else resolve(received === '' ? {} : JSON.parse(received));
        });
      });
      sent.on('error', reject).end(text);
    });
  };
}

/** node-vault as it comes, over its own HTTP client, with connections that are kept alive. */
function byNodeVault(address: string, token: string): Ask {
  const client = nodeVault({ endpoint: address, token, requestOptions: { httpAgent: agent } });
  return (method, path, body) => (method === 'GET' ? client.read(path) : client.write(path, body));
}

async function logIn({ address, auth }: JsonObject): Promise<string> {
  const { role_id = '', secret_id = '' } = auth as Record<string, string>;
  const login = await bare(String(address), '')('POST', 'auth/approle/login', { role_id, secret_id });
  return (login as { auth: { client_token: string } }).auth.client_token;
}

/** A token, a look at what it became, and its extension; before it, where there is one, its entity. */
async function makeToken(call: Ask, entry: JsonObject, section: JsonObject): Promise<Call> {
  const { token_role: role, token, entity } = VaultRequest.parse(planOf(vault, entry, section).request);
  const mounts = (await call('GET', 'sys/auth')) as { data: Record<string, { accessor: string }> };
  const mount_accessor = mounts.data['token/']?.accessor ?? '';
  return async () => {
    const name = `writ-${ids.mint()}`;
    if (entity) {
      const path = `identity/entity/name/${name}`;
      const made = (await call('POST', path, { metadata: entity.metadata })) as { data: { id: string } };
      await call('POST', 'identity/entity-alias', { name, canonical_id: made.data.id, mount_accessor });
    }
    const body = { ...token, ...(entity && { entity_alias: name }) };
    const made = (await call('POST', `auth/token/create/${role}`, body)) as { auth: { accessor: string } };
    const { accessor } = made.auth;
    const paths = ['auth/token/renew-self', 'auth/token/renew', 'auth/token/create-orphan'];
    await Promise.all([
      call('POST', 'auth/token/lookup-accessor', { accessor }),
      entity && call('POST', 'sys/capabilities-accessor', { accessor, paths }),
    ]);
    return async () => {
      await call('POST', 'auth/token/renew-accessor', { accessor, increment: `${TTL_SECONDS - 1}s` });
    };
  };
}

export async function makeCalls(input: DirectInput): Promise<Calls> {
  const { entry, section, entity } = input.vault;
  const address = String(entry['address']);
  const token = await logIn(entry);
  const [own, requests] = [byNodeVault(address, token), bare(address, token)];
  return {
    aws: assumeRole(input.aws),
    vault: await makeToken(own, entry, section),
    'vault-bare': await makeToken(requests, entry, section),
    'vault-entity': await makeToken(own, entry, entity),
    'vault-entity-bare': await makeToken(requests, entry, entity),
  };
}
