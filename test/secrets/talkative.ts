import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../src/domain/json.ts';
import { makeAsk } from '../support/ask.ts';
import type { Answer, Question } from '../support/ask.ts';
import { runWrit, startServe, startWrit } from '../support/broker-process.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { makePeople } from '../support/people.ts';
import type { People } from '../support/people.ts';
import { profile, sampleRules, withSchema } from '../support/running-broker-rules.ts';
import { writYaml } from '../support/running-broker.ts';
import { runSql, urlFor } from '../support/sql.ts';
import { closeToPublic, makeTarget } from '../support/target.ts';
import type { Target } from '../support/target.ts';
import { startClouds } from './clouds.ts';
import type { Clouds } from './clouds.ts';
import { startLoudServer } from './servers.ts';
import type { LoudServer } from './servers.ts';
import type { Written } from './spelling.ts';

export interface Issued {
  readonly id: string;
  readonly credential: Readonly<Record<string, string>>;
}

/** A real broker at its most talkative, between servers at theirs. What is secret here is noted as it comes to be. */
export interface Talkative {
  readonly broker: BrokerProcess;
  readonly people: People;
  readonly kek: Buffer;
  readonly ledger: LoudServer;
  /** The ledger's database, as the superuser. */
  readonly ledgerUrl: string;
  readonly servers: readonly LoudServer[];
  readonly target: Target;
  /** Its configuration's directory. */
  readonly config: string;
  readonly secrets: Readonly<Record<string, string | Buffer>>;
  /** Notes a secret, and hands it back. */
  secret<T extends string | Buffer>(name: string, value: T): T;
  /** Asks; a credential in the answer becomes a secret, and all the rest of it is among what was written. */
  call(method: string, path: string, question?: Question): Promise<Answer & Issued>;
  /** A command; answers its exit code. Where it prints a credential on purpose, that is a secret and not among what was written. */
  writ(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<number | null>;
  /** Answers, outputs, logs, configuration, and every row of every database. */
  written(): Promise<Written[]>;
  close(): Promise<void>;
}

export async function startTalkative(): Promise<Talkative> {
  const secrets: Record<string, string | Buffer> = {};
  const secret = <T extends string | Buffer>(name: string, value: T): T => {
    secrets[name] = value;
    return value;
  };
  const said: Written[] = [];
  const people = makePeople();
  for (const [i, key] of people.privateKeys.entries()) {
    const { d = '' } = key.export({ format: 'jwk' });
    secret(`private key ${i}`, Buffer.from(d, 'base64url'));
  }
  const kek = secret('key-encryption key, its bytes', randomBytes(32));
  const password = (whose: string) => secret(`password: ${whose}`, randomBytes(18).toString('base64url'));

  const [ledger, issuing] = await Promise.all([startLoudServer('ledger'), startLoudServer('target')]);
  const servers = [ledger, issuing];
  await Promise.all([closeToPublic(issuing.url), runSql(ledger.url, 'CREATE DATABASE writ')]);
  const target = await makeTarget(issuing.url);
  await runSql(target.superuserUrl, 'CREATE ROLE not_ours NOLOGIN');
  for (const [name, url] of Object.entries({ ledger: ledger.url, target: issuing.url, administrator: target.url }))
    secret(`password: ${name}`, new URL(url).password);

  const clouds = await startClouds();
  const login = { user: 'writ_login', password: password('the broker’s') };
  const ledgerUrl = urlFor(ledger.url, { database: 'writ' });
  const env = {
    DATABASE_URL: urlFor(ledgerUrl, login),
    ORDERS_DB_URL: target.url,
    GONE_DB_URL: `postgres://nobody:${password('gone')}@127.0.0.1:1/nowhere`,
    WRIT_KEK: secret('key-encryption key', kek.toString('base64')),
    WRIT_LOG_LEVEL: 'trace',
    ...clouds.env,
  };
  for (const [name, value] of Object.entries(clouds.secrets)) secret(name, value);
  const config = await writeConfig(people, target, clouds);
  const migrated = await runWrit(['migrate', '--config', config], { ...env, DATABASE_URL: ledgerUrl });
  said.push({ where: 'writ migrate', text: migrated.join('\n') });
  await runSql(ledgerUrl, `CREATE ROLE ${login.user} LOGIN PASSWORD '${login.password}' IN ROLE writ_broker`);
  await Promise.all(servers.map((server) => server.loud()));
  const broker = await startServe(config, env);
  const ask = makeAsk(broker.url);

  return {
    broker,
    people,
    kek,
    ledger,
    ledgerUrl,
    servers,
    target,
    config,
    secrets,
    secret,
    async call(method, path, question) {
      const answer = await ask(method, path, question);
      const { credential = {}, ...rest } = answer.body;
      const held = credential as Issued['credential'];
      const { password: inside } = (credential as { data?: { password?: string } }).data ?? {};
      const parts: Readonly<Record<string, string>> = {
        ...held,
        ...(inside === undefined ? {} : { password: inside }),
      };
      for (const name of ['password', 'token', 'secret_access_key', 'session_token'] as const) {
        const value = parts[name];
        if (value !== undefined) secret(`${name} ${Object.keys(secrets).length}`, value);
      }
      const text = 'credential' in answer.body ? JSON.stringify(rest) : answer.text;
      said.push({
        where: `answer of ${method} ${path.slice(0, 30)}`,
        text: `${JSON.stringify(answer.headers)}\n${text}`,
      });
      return { ...answer, id: String(answer.body['id']), credential: held };
    },
    async writ(args, more = {}) {
      const command = startWrit(args, { WRIT_URL: broker.url, ...more });
      const { code } = await command.exited;
      const lines = command.lines.map((line) => {
        if (args[0] !== 'credential' || !line.includes('"password"')) return line;
        const { password: printed = '', url: _url, ...rest } = JSON.parse(line) as Record<string, string>;
        secret('password that was printed', printed);
        return JSON.stringify(rest);
      });
      said.push({ where: `writ ${args.join(' ')}`, text: lines.join('\n') });
      return code;
    },
    async written() {
      const written: Written[] = [...said, { where: 'broker', text: broker.lines.join('\n') }];
      for (const server of servers) for await (const one of server.written()) written.push(one);
      for (const file of await readdir(config, { recursive: true, withFileTypes: true })) {
        const path = join(file.parentPath, file.name);
        if (file.isFile()) written.push({ where: path, text: await readFile(path, 'utf8') });
      }
      return written;
    },
    async close() {
      broker.kill('SIGKILL');
      await clouds.close();
      await Promise.all(servers.map((server) => server.stop()));
      await rm(config, { recursive: true });
    },
  };
}

async function writeConfig(people: People, target: Target, clouds: Clouds): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'writ-secrets-'));
  const gone = { kind: 'postgres', url: '${GONE_DB_URL}' };
  const files = {
    'writ.yaml': JSON.stringify({
      ...writYaml,
      providers: { ...(writYaml['providers'] as JsonObject), 'gone-db': gone, ...clouds.providers },
    }),
    'bundle.json': people.bundle,
    'operators.json': people.operatorsJwks,
    ...withSchema({
      ...sampleRules(target.readonly),
      ...profile('refused', 'orders-db', 'postgres: { roles: [not_ours] }'),
      ...clouds.rules,
    }),
  };
  for (const folder of ['profiles', 'policies']) await mkdir(join(directory, folder));
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return directory;
}
