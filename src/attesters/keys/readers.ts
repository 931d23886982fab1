import type { Outbound, OutboundRequest } from '../../domain/outbound.ts';
import { isObject, parseStrictJson } from '../strict-json.ts';
import type { KeyLocation } from './location.ts';
import type { KeyDocument } from './source.ts';

export interface ReaderDeps {
  readonly outbound: Outbound;
  readonly readFile: (path: string) => Promise<string>;
}

/** How the document at a location is had, each time afresh. Errors name hosts and paths, never what was answered. */
export function makeReader(location: KeyLocation, { outbound, readFile }: ReaderDeps): () => Promise<KeyDocument> {
  if ('file' in location) {
    const { file } = location;
    return async () => ({ text: await readFile(file) });
  }
  if ('url' in location) {
    const { url, ca_file, token_file } = location;
    return async () => {
      const ca = ca_file === undefined ? {} : { ca: await readFile(ca_file) };
      const token = token_file === undefined ? undefined : (await readFile(token_file)).trim();
      return get(outbound, url, {
        ...ca,
        ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      });
    };
  }
  const { issuer } = location;
  return async () => get(outbound, await discover(outbound, issuer));
}

/** OpenID Connect Discovery §4: the document must be the issuer's own, or its keys are somebody else's. */
async function discover(outbound: Outbound, issuer: string): Promise<string> {
  const { text } = await get(outbound, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const document = parseStrictJson(text);
  if (!isObject(document) || document['issuer'] !== issuer)
    throw new Error('the discovery document names another issuer');
  const location = document['jwks_uri'];
  if (typeof location !== 'string') throw new Error('the discovery document names no jwks_uri');
  return location;
}

async function get(outbound: Outbound, url: string, request: OutboundRequest = {}): Promise<KeyDocument> {
  const headers = { accept: 'application/json', ...request.headers };
  const response = await outbound(url, { ...request, headers });
  if (response.status !== 200)
    throw new Error(`${URL.canParse(url) ? new URL(url).host : 'it'} answered ${response.status}`);
  return { text: response.text, freshSeconds: maxAge(response.headers['cache-control']) };
}

function maxAge(cacheControl: string | undefined): number | undefined {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])/i.exec(cacheControl ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}
