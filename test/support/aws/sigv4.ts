import { createHash, createHmac } from 'node:crypto';
import { encoded } from './encoded.ts';
import { AwsError } from './errors.ts';

/** A request as it came in. Header names in lower case, several values of one joined by a comma. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, as on the request line. */
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface SigningKey {
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Expected {
  readonly now: Date;
  readonly region: string;
  readonly service: string;
  /** The keys of an access key id. */
  keyOf(accessKeyId: string): SigningKey | undefined;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const SKEW_MS = 15 * 60_000;

/** Verifies a Signature Version 4 in the Authorization header; returns the access key id. Throws the error of the wire. */
export function verifySignature(request: SignedRequest, expected: Expected): string {
  const { accessKeyId, scope, signedHeaders, signature } = authorization(request.headers.get('authorization'));
  const key = expected.keyOf(accessKeyId);
  if (!key) throw invalidToken();
  const date = request.headers.get('x-amz-date') ?? '';
  checkScope(scope, date, expected);
  checkDate(date, expected.now);
  const required = ['host', ...[...request.headers.keys()].filter((name) => name.startsWith('x-amz-'))];
  const unsigned = required.find((name) => !signedHeaders.includes(name));
  if (unsigned !== undefined) throw mismatch(`'${unsigned}' must be a 'SignedHeader' in the AWS Authorization.`);
  const canonical = hash(canonicalRequest(request, signedHeaders));
  const [day = '', region = '', service = '', end = ''] = scope;
  const signing = [day, region, service, end].reduce<string | Buffer>(hmac, `AWS4${key.secretAccessKey}`);
  const wanted = hmac(signing, [ALGORITHM, date, scope.join('/'), canonical].join('\n')).toString('hex');
  if (signature !== wanted) {
    throw mismatch(
      'The request signature we calculated does not match the signature you provided. ' +
        'Check your AWS Secret Access Key and signing method.',
    );
  }
  const token = request.headers.get('x-amz-security-token');
  if (token !== key.sessionToken) throw invalidToken();
  return accessKeyId;
}

function authorization(header: string | undefined) {
  if (header === undefined) {
    throw new AwsError(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token');
  }
  const [algorithm = '', ...rest] = header.split(' ');
  const fields = new Map(
    rest
      .join(' ')
      .split(',')
      .map((field) => {
        const at = field.indexOf('=');
        return [field.slice(0, at).trim(), field.slice(at + 1).trim()] as const;
      }),
  );
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value !== undefined && value !== '') return value;
    throw new AwsError(400, 'IncompleteSignature', `Authorization header requires '${name}' parameter.`);
  };
  if (algorithm !== ALGORITHM)
    throw new AwsError(400, 'IncompleteSignature', `Unsupported AWS 'algorithm': '${algorithm}'.`);
  const [accessKeyId = '', ...scope] = field('Credential').split('/');
  if (scope.length !== 4) {
    throw new AwsError(400, 'IncompleteSignature', 'Credential must have exactly 5 slash-delimited elements.');
  }
  const signedHeaders = field('SignedHeaders').split(';');
  return { accessKeyId, scope, signedHeaders, signature: field('Signature') };
}

function checkScope(scope: readonly string[], date: string, { region, service }: Expected): void {
  if (scope[0] !== date.slice(0, 8)) {
    throw mismatch('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.');
  }
  if (scope[1] !== region) throw mismatch(`Credential should be scoped to a valid region. `);
  if (scope[2] !== service) throw mismatch(`Credential should be scoped to correct service: '${service}'.`);
  if (scope[3] !== 'aws4_request')
    throw mismatch(`Credential should be scoped with a valid terminator: 'aws4_request'.`);
}

function checkDate(date: string, now: Date): void {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/u.exec(date);
  if (!parts) {
    throw new AwsError(400, 'IncompleteSignature', `Date must be in ISO-8601 'basic format'. Got '${date}'.`);
  }
  const [, year, month, day, hour, minute, second] = parts;
  const at = Date.parse(`${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}Z`);
  const earliest = now.getTime() - SKEW_MS;
  const latest = now.getTime() + SKEW_MS;
  if (at < earliest) {
    throw mismatch(
      `Signature expired: ${date} is now earlier than ${basic(earliest)} (${basic(now.getTime())} - 15 min.)`,
    );
  }
  if (!(at <= latest)) {
    throw mismatch(
      `Signature not yet current: ${date} is still later than ${basic(latest)} (${basic(now.getTime())} + 15 min.)`,
    );
  }
}

function canonicalRequest({ method, target, headers, body }: SignedRequest, signedHeaders: readonly string[]): string {
  const [path = '/', query = ''] = target.split('?');
  const parameters = [...new URLSearchParams(query)]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort();
  const lines = signedHeaders.map((name) => `${name}:${(headers.get(name) ?? '').trim().replace(/ +/gu, ' ')}\n`);
  return [method, path, parameters.join('&'), lines.join(''), signedHeaders.join(';'), hash(body)].join('\n');
}

const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const basic = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/gu, '');
const mismatch = (message: string) => new AwsError(403, 'SignatureDoesNotMatch', message);
const invalidToken = () =>
  new AwsError(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
