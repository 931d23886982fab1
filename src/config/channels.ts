import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { makeIsAllowed } from '../domain/outbound.ts';
import { Secret } from '../domain/secret.ts';
import { sha256Hex } from '../domain/sha256.ts';
import type { Report } from './check.ts';
import type { WebhookEntry } from './settings-schema.ts';
import type { WebhookSettings } from './settings.ts';

const PREFIX = 'whsec_';
const [LEAST_BYTES, MOST_BYTES] = [24, 64];
const WANTED = `${PREFIX} and base64 of ${LEAST_BYTES} to ${MOST_BYTES} bytes, such as \`echo ${PREFIX}$(openssl rand -base64 32)\` prints`;

/** The channels through which approvers are told. The address is kept as a secret: that of a chat lets everybody who has it write. */
export async function readWebhooks(
  entries: readonly { readonly webhook: WebhookEntry }[],
  directory: string,
  allowed: readonly string[],
  report: Report,
): Promise<WebhookSettings[]> {
  const found: WebhookSettings[] = [];
  for (const [index, { webhook }] of entries.entries()) {
    const path = ['approvals', 'notify', index, 'webhook'];
    const fault = urlFault(webhook.url, allowed);
    if (fault) report([...path, 'url'], fault);
    const twice = entries.findIndex((other) => other.webhook.url === webhook.url) < index;
    if (twice) report([...path, 'url'], 'is there twice');
    const secret = await readSecret(webhook, directory, (member, message) => report([...path, member], message));
    if (fault || twice || secret === 'wrong') continue;
    const { url, format } = webhook;
    found.push({ name: nameOf(url), url: new Secret(url), format, ...(secret ? { secret } : {}) });
  }
  return found;
}

/** As people, metrics and the ledger know it: its host, and enough of a hash to tell two of one host apart. */
function nameOf(url: string): string {
  return `${new URL(url).host}/${sha256Hex(url).slice(0, 8)}`;
}

/** What is wrong with an address that something is sent to. */
export function urlFault(written: string, allowed: readonly string[]): string | undefined {
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'must be an https URL';
  if (url.username !== '' || url.password !== '') return 'must have no user in it';
  const plain = url.protocol === 'http:' && !makeIsAllowed(allowed)(url);
  return plain ? 'must be https, or its host must stand in outbound.allow' : undefined;
}

/** A chat's address may stand alone. */
async function readSecret(
  entry: WebhookEntry,
  directory: string,
  report: (member: string, message: string) => void,
): Promise<Secret<Uint8Array> | 'wrong' | undefined> {
  const { secret, secret_file, format } = entry;
  const isAbsent = secret === undefined && secret_file === undefined;
  return isAbsent && format === 'slack'
    ? undefined
    : readWebhookSecret(entry, `with format ${format}`, directory, report);
}

/** What a webhook's bodies are signed with, from one of its two members. */
export async function readWebhookSecret(
  { secret, secret_file }: { readonly secret?: string; readonly secret_file?: string },
  where: string,
  directory: string,
  report: (member: string, message: string) => void,
): Promise<Secret<Uint8Array> | 'wrong'> {
  if (secret !== undefined && secret_file !== undefined) {
    report('secret_file', 'is given beside secret: one of the two');
    return 'wrong';
  }
  if (secret === undefined && secret_file === undefined) {
    report('secret', `is required ${where}, or secret_file: the receiver knows by it who writes`);
    return 'wrong';
  }
  const member = secret_file === undefined ? 'secret' : 'secret_file';
  const file = secret_file && (await readFile(resolve(directory, secret_file), 'utf8').catch(() => undefined));
  const written = secret ?? file?.trim();
  if (written === undefined) report(member, '{value} cannot be read');
  const key = decode(written ?? '');
  if (written !== undefined && !key) report(member, `must ${secret_file === undefined ? 'be' : 'hold'} ${WANTED}`);
  return key ?? 'wrong';
}

/** https://www.standardwebhooks.com: the prefix tells a person, and whatever looks for secrets, what it is. */
function decode(written: string): Secret<Uint8Array> | undefined {
  const encoded = written.startsWith(PREFIX) ? written.slice(PREFIX.length) : '';
  const bytes = Buffer.from(encoded, 'base64');
  const fits = bytes.length >= LEAST_BYTES && bytes.length <= MOST_BYTES && bytes.toString('base64') === encoded;
  return fits ? new Secret(new Uint8Array(bytes)) : undefined;
}
