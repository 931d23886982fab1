import { isJsonObject } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import type { Report } from './check.ts';
import { isLoopback } from './fields.ts';
import type { Environment } from './environment.ts';
import { listOf } from './form.ts';
import type { Settings } from './settings.ts';

/** Kinds of provider that sign, and therefore need `keys`. */
const SIGNING_KINDS: ReadonlySet<string> = new Set(['jwt']);

/** What no single member shows. */
export function crossCheck(settings: Settings, value: Json, report: Report): void {
  checkTrust(value, report);
  checkOperators(settings, value, report);
  checkClients(settings, value, report);
  const signing = settings.providers.find(({ kind, on }) => on && SIGNING_KINDS.has(kind));
  if (signing && member(value, 'keys') === undefined) {
    report(['providers', signing.name], 'signs: it needs keys.encryption, a key that wraps its signing keys at rest');
  }
}

/** Names are unique, and a SPIFFE trust domain has one entry: bundles are never merged. */
function checkTrust(value: Json, report: Report): void {
  const entries = listOf(value, 'identity', 'trust');
  const domain = (entry: Json) => (member(entry, 'kind') === 'spiffe' ? member(entry, 'trust_domain') : undefined);
  for (const [index, entry] of entries.entries()) {
    const earlier = entries.slice(0, index);
    const path = ['identity', 'trust', index];
    if (has(earlier, (other) => member(other, 'name'), member(entry, 'name'))) {
      report([...path, 'name'], '{value} is there twice');
    }
    if (has(earlier, domain, domain(entry))) {
      report([...path, 'trust_domain'], '{value} has an entry already: bundles are never merged');
    }
  }
}

/** A token for operators is none for workloads, and the other way round. One issuer and audience have one entry. */
function checkOperators(settings: Settings, value: Json, report: Report): void {
  const workloads = settings.identity.audience ?? listenUrl(settings.server);
  const entries = listOf(value, 'operators', 'trust');
  for (const [index, entry] of entries.entries()) {
    const path = ['operators', 'trust', index, 'audience'];
    if (member(entry, 'audience') === workloads) {
      report(path, "must differ from the audience of workloads' evidence (identity.audience, else server.public_url)");
    }
    const issuer = (other: Json) => JSON.stringify([member(other, 'issuer'), member(other, 'audience')]);
    if (has(entries.slice(0, index), issuer, issuer(entry))) report(path, 'has an entry with this issuer already');
  }
}

function checkClients(settings: Settings, value: Json, report: Report): void {
  const trusted = listOf(value, 'identity', 'trust');
  for (const [index, client] of settings.clients.entries()) {
    const path = ['clients', client.name];
    if (!trusted.some((entry) => member(entry, 'name') === client.trust)) {
      report([...path, 'trust'], '{value} is not the name of an entry of identity.trust');
    }
    if (settings.clients.slice(0, index).some(({ trust, id }) => trust === client.trust && id === client.id)) {
      report([...path, 'id'], '{value} is a client already, under another name');
    }
    if (client.may.includes('introspect') && client.audiences.length === 0) {
      report([...path, 'audiences'], 'must name the audiences whose tokens this client may introspect');
    }
  }
}

/** What `writ serve` refuses (CORRECTNESS, *Who may say what*). */
export function productionCheck(settings: Settings, value: Json, env: Environment, report: Report): void {
  const { server } = settings;
  if (!isLoopback(server.host) && !server.tls && server.trustedProxies.length === 0) {
    report(['server', 'host'], '{value} is reached from other machines: it needs server.tls or server.trusted_proxies');
  }
  if (!settings.database.url) report(['database', 'url'], 'is required to serve, or DATABASE_URL');
  for (const [section, list] of DEVELOPMENT) {
    for (const [index, entry] of listOf(value, section, list).entries()) {
      if (member(entry, 'development') === true)
        report([section, list, index], 'is for development: serve does not take it');
    }
  }
  if ((env['VAULT_SKIP_VERIFY'] ?? '') !== '') report([], 'VAULT_SKIP_VERIFY is set: serve verifies certificates');
}

const DEVELOPMENT = [
  ['identity', 'trust'],
  ['operators', 'trust'],
  ['keys', 'encryption'],
] as const;

/** The address that is listened on, as a URL, where its port is known. */
export function listenUrl({ host, port, tls }: Settings['server']): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const member = (entry: Json, name: string) => (isJsonObject(entry) ? entry[name] : undefined);

function has(entries: readonly Json[], keyOf: (entry: Json) => Json | undefined, key: Json | undefined): boolean {
  return key !== undefined && entries.some((entry) => keyOf(entry) === key);
}
