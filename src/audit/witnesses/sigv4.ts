import { createHmac } from 'node:crypto';
import type { Secret } from '../../domain/secret.ts';
import { sha256Hex } from '../../domain/sha256.ts';

/** AWS Signature Version 4 for one request, in the headers (AWS documentation, *Signature Version 4 for API requests*). */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret<string>;
  readonly sessionToken?: Secret<string>;
}

export interface SignedRequest {
  readonly method: string;
  /** Without a query; its path is encoded already, each part once. */
  readonly url: URL;
  readonly region: string;
  readonly service: string;
  /** To be signed beside `host` and `x-amz-date`; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const hmac = (key: string | Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();

/** The request's headers, `authorization` among them. `host` is left for the client to send. */
export function signSigV4(request: SignedRequest, credentials: AwsCredentials, now: Date): Record<string, string> {
  const { method, url, region, service, body } = request;
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const date = time.slice(0, 8);
  const token = credentials.sessionToken?.reveal();
  const sent: Record<string, string> = {
    ...request.headers,
    'x-amz-date': time,
    ...(token === undefined ? {} : { 'x-amz-security-token': token }),
  };
  const signed = Object.entries({ ...sent, host: url.host }).sort(([one], [other]) => (one < other ? -1 : 1));
  const names = signed.map(([name]) => name).join(';');
  const lines = signed.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}\n`).join('');
  const canonical = [method, url.pathname, '', lines, names, sha256Hex(body)].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256Hex(canonical)].join('\n');
  const key = [region, service, 'aws4_request'].reduce<Uint8Array>(
    (last, part) => hmac(last, part),
    hmac(`AWS4${credentials.secretAccessKey.reveal()}`, date),
  );
  const signature = hmac(key, toSign).toString('hex');
  const credential = `Credential=${credentials.accessKeyId}/${scope}`;
  return { ...sent, authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}` };
}
