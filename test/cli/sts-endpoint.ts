import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AwsCredential } from '../../src/client/index.ts';

/** As much of STS as says who asks: it checks key, session token, end and signature (SigV4), and answers GetCallerIdentity. */
export interface StsEndpoint {
  readonly url: string;
  /** The key id of each call, or the error that it got. */
  readonly calls: readonly string[];
  /** From now on this credential is good, until then. */
  admit(credential: AwsCredential, until: Date): void;
  close(): Promise<void>;
}

export async function startStsEndpoint(): Promise<StsEndpoint> {
  const calls: string[] = [];
  const admitted = new Map<string, { readonly credential: AwsCredential; readonly until: Date }>();

  function judge(request: IncomingMessage, body: string): { readonly key: string; readonly error?: string } {
    const {
      key = '',
      scope = '',
      names = '',
      signature = '',
    } = AUTHORIZATION.exec(request.headers.authorization ?? '')?.groups ?? {};
    const found = admitted.get(key);
    if (!found || found.credential.session_token !== request.headers['x-amz-security-token'])
      return { key, error: 'InvalidClientTokenId' };
    if (found.until.getTime() <= Date.now()) return { key, error: 'ExpiredToken' };
    const secret = found.credential.secret_access_key;
    return signatureOf(request, body, { scope, names, secret }) === signature
      ? { key }
      : { key, error: 'SignatureDoesNotMatch' };
  }

  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.once('end', () => {
      const { key, error } = judge(request, body);
      calls.push(error ?? key);
      response.writeHead(error ? 403 : 200, { 'content-type': 'text/xml' });
      response.end(error ? failure(error) : identity(key));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    admit: (credential, until) => void admitted.set(credential.access_key_id, { credential, until }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(?<key>[^/]+)\/(?<scope>[^,]+), ?SignedHeaders=(?<names>[^,]+), ?Signature=(?<signature>[0-9a-f]{64})$/;

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, for POST / without a query. */
function signatureOf(
  request: IncomingMessage,
  body: string,
  by: { scope: string; names: string; secret: string },
): string {
  const headers = by.names.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical = ['POST', '/', '', headers.join(''), by.names, sha256(body)].join('\n');
  const text = ['AWS4-HMAC-SHA256', String(request.headers['x-amz-date']), by.scope, sha256(canonical)].join('\n');
  const key = by.scope.split('/').reduce<string | Buffer>((before, part) => hmac(before, part), `AWS4${by.secret}`);
  return hmac(key, text).toString('hex');
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

const XMLNS = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"';
const identity = (key: string) =>
  `<GetCallerIdentityResponse ${XMLNS}><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/agents/${key}</Arn>` +
  `<UserId>${key}</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`;
const failure = (code: string) =>
  `<ErrorResponse ${XMLNS}><Error><Type>Sender</Type><Code>${code}</Code><Message>${code}</Message></Error></ErrorResponse>`;
