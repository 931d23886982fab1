import { credentialSource, makeClient, type Client } from '../client/index.ts';
import type { Environment } from './context.ts';
import { readDevFile, type DevFile } from './dev-file.ts';
import { CliError, EXIT, usage } from './exit.ts';
import type { Shell } from './shell.ts';

export interface ConnectOptions {
  readonly url?: string | undefined;
}

/** A client, with what it was made of. */
export interface Connected {
  readonly client: Client;
  readonly url: string;
  readonly token: string;
}

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** A client with the workload's identity, which is read anew for each request. */
export async function connectWorkload(shell: Shell, options: ConnectOptions): Promise<Client> {
  const url = await workloadUrl(shell, options);
  return makeClient({ url: url.href, identityToken: credentialSource(shell.env), ...fetchOf(shell) });
}

/** The same with one identity for all of its requests, for what must not be mixed with another's. @throws WritError. */
export async function connectOnce(shell: Shell, options: ConnectOptions): Promise<Connected> {
  const { href: url } = await workloadUrl(shell, options);
  const token = await credentialSource(shell.env)();
  return { client: makeClient({ url, identityToken: token, ...fetchOf(shell) }), url, token };
}

/** `--url`, or `WRIT_URL`, or the embedded default's address, or port 8080. */
async function workloadUrl(shell: Shell, options: ConnectOptions): Promise<URL> {
  const asked = options.url ?? shell.env['WRIT_URL'];
  return checked(asked || ((await readDevFile(shell.cwd))?.url ?? DEFAULT_URL));
}

/**
 * A client with an operator's token: `WRIT_OPERATOR_TOKEN`, or, towards the embedded default only, the token of that
 * role in `.writ/dev.json`, which is said on stderr.
 */
export async function connectOperator(
  shell: Shell,
  options: ConnectOptions,
  role: 'platform' | 'security' | 'approver' | 'auditor',
): Promise<Client> {
  const asked = options.url ?? shell.env['WRIT_URL'];
  const given = shell.env['WRIT_OPERATOR_TOKEN']?.trim();
  const dev = asked && given ? undefined : await readDevFile(shell.cwd);
  const url = checked(asked || (dev?.url ?? DEFAULT_URL));
  const operatorToken = given || (await developmentToken(shell, url, dev, role));
  return makeClient({ url: url.href, operatorToken, ...fetchOf(shell) });
}

/** Whether the environment names a workload's identity at all. */
export function hasIdentity(env: Environment): boolean {
  return Boolean(env['WRIT_IDENTITY_TOKEN_FILE'] || env['WRIT_IDENTITY_TOKEN']);
}

async function developmentToken(shell: Shell, url: URL, dev: DevFile | undefined, role: string): Promise<string> {
  const token = dev && new URL(dev.url).origin === url.origin ? dev.operators[role] : undefined;
  if (!dev || token === undefined) {
    throw new CliError('operator_token_missing', 'this takes the token of an operator', {
      exit: EXIT.usage,
      help: 'set WRIT_OPERATOR_TOKEN',
    });
  }
  await shell.out.note(`writ: as the development operator "${role}" of ${dev.path}`);
  return token;
}

function checked(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw usage("the broker's address is not an http or https URL", 'see WRIT_URL');
  if (url.username || url.password) throw usage("the broker's address must not hold a password", 'see WRIT_URL');
  return url;
}

function fetchOf(shell: Shell) {
  return shell.fetch ? { fetch: shell.fetch } : {};
}
