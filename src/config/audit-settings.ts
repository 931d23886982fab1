import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Secret } from '../domain/secret.ts';
import type { AuditEntry } from './audit-schema.ts';
import { readWebhookSecret, urlFault } from './channels.ts';
import type { Report } from './check.ts';
import type { AuditSettings, SinkSettings, WitnessSettings } from './settings.ts';

/** The section `audit` as settings: paths absolute, the signer's key read. */
export async function readAudit(
  entry: AuditEntry,
  directory: string,
  allowed: readonly string[],
  report: Report,
): Promise<AuditSettings> {
  const signer = entry.signer && (await readSigner(entry.signer, directory, report));
  const witnesses = entry.witnesses.map((each) => toWitness(each, directory));
  for (const [index, { webhook, s3 }] of entry.witnesses.entries()) {
    const urls = { webhook: { url: webhook?.url, latest: webhook?.latest }, s3: { endpoint: s3?.endpoint } };
    for (const [kind, members] of Object.entries(urls)) {
      for (const [member, url] of Object.entries(members)) {
        const fault = url === undefined ? undefined : urlFault(url, allowed);
        if (fault) report(['audit', 'witnesses', index, kind, member], fault);
      }
    }
  }
  for (const [index, each] of witnesses.entries()) {
    const same = (other: WitnessSettings) => JSON.stringify(other) === JSON.stringify(each);
    if (witnesses.findIndex(same) < index) report(['audit', 'witnesses', index], 'is there twice');
  }
  return {
    ...(entry.origin === undefined ? {} : { origin: entry.origin }),
    ...(signer && { signer }),
    witnesses,
    sinks: await readSinks(entry.sinks, directory, allowed, report),
    sealEverySeconds: entry.seal_every,
    publishEverySeconds: entry.publish_every,
  };
}

/** A sink without a name is known by its host; two must not share a cursor. */
async function readSinks(
  entries: AuditEntry['sinks'],
  directory: string,
  allowed: readonly string[],
  report: Report,
): Promise<SinkSettings[]> {
  const sinks: SinkSettings[] = [];
  const names = entries.map(({ name, webhook }) => name ?? new URL(webhook.url).host.replace(/[^\w.-]/g, '_'));
  for (const [index, { webhook }] of entries.entries()) {
    const path = ['audit', 'sinks', index, 'webhook'];
    const fault = urlFault(webhook.url, allowed);
    if (fault) report([...path, 'url'], fault);
    const name = names[index] ?? '';
    const isTaken = names.indexOf(name) < index;
    if (isTaken) report(['audit', 'sinks', index], `needs a name of its own: ${name} is taken`);
    const secret = await readWebhookSecret(webhook, 'of a sink', directory, (member, message) =>
      report([...path, member], message),
    );
    if (fault || isTaken || secret === 'wrong') continue;
    const { url, format, from } = webhook;
    sinks.push({ name, url: new Secret(url), secret, format, from });
  }
  return sinks;
}

const WANTED = 'an Ed25519 private key in PEM, such as `openssl genpkey -algorithm ed25519` makes';

async function readSigner(
  { key, key_file: file }: NonNullable<AuditEntry['signer']>,
  directory: string,
  report: Report,
): Promise<Secret<KeyObject> | undefined> {
  const path = ['audit', 'signer'];
  if ((key === undefined) === (file === undefined)) {
    report(path, 'must have one of key and key_file');
    return undefined;
  }
  const text = file === undefined ? key : await readFile(resolve(directory, file), 'utf8').catch(() => undefined);
  if (text === undefined) {
    report([...path, 'key_file'], '{value} cannot be read');
    return undefined;
  }
  const signer = privateKeyOf(text);
  if (!signer)
    report([...path, file === undefined ? 'key' : 'key_file'], `must ${file === undefined ? 'be' : 'hold'} ${WANTED}`);
  return signer;
}

function privateKeyOf(text: string): Secret<KeyObject> | undefined {
  try {
    const key = createPrivateKey(text);
    return key.asymmetricKeyType === 'ed25519' ? new Secret(key) : undefined;
  } catch {
    return undefined;
  }
}

/** The schema has seen to it that exactly one is there. */
function toWitness({ file, webhook, s3 }: AuditEntry['witnesses'][number], directory: string): WitnessSettings {
  const at = (path: string) => resolve(directory, path);
  if (webhook) {
    const { url, latest, token_file: tokenFile, ca_file: caFile } = webhook;
    return {
      kind: 'webhook',
      url,
      ...(latest === undefined ? {} : { latest }),
      ...(tokenFile === undefined ? {} : { tokenFile: at(tokenFile) }),
      ...(caFile === undefined ? {} : { caFile: at(caFile) }),
    };
  }
  if (s3) {
    const { bucket, key, region, endpoint, access_key_id, secret_access_key, session_token } = s3;
    const token = session_token === undefined ? {} : { sessionToken: new Secret(session_token) };
    const credentials = { accessKeyId: access_key_id, secretAccessKey: new Secret(secret_access_key), ...token };
    return { kind: 's3', bucket, key, region, credentials, ...(endpoint === undefined ? {} : { endpoint }) };
  }
  return { kind: 'file', path: at(file ?? '') };
}
