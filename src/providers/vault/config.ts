import { z } from 'zod';
import { parseDuration } from '../../domain/duration.ts';
import { Secret } from '../../domain/secret.ts';
import { isPath } from './values.ts';

const KUBERNETES_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

const secret = z
  .string()
  .min(1)
  .max(16_384)
  .transform((text) => new Secret(text));
const file = z.string().min(1).max(2_048);
const text = z.string().min(1).max(2_048);
const path = z.string().refine(isPath, 'must be names with / between them, such as approle or team-a/approle');

const duration = z.string().transform((written, context) => {
  const seconds = parseDuration(written);
  if (seconds !== undefined) return seconds;
  context.addIssue({ code: 'custom', message: 'is not a duration such as 90s, 15m or 1h' });
  return z.NEVER;
});

/** How the broker logs in. Secrets and files of the other methods are refused: one that is not used is a mistake. */
export type Auth =
  | ({ readonly method: 'approle'; readonly mount: string; readonly role_id: string } & SecretId)
  | {
      readonly method: 'jwt' | 'kubernetes';
      readonly mount: string;
      readonly role: string;
      readonly token_file: string;
    }
  | { readonly method: 'token'; readonly token: Secret<string> };
type SecretId =
  | { readonly secret_id: Secret<string>; readonly secret_id_file?: undefined }
  | { readonly secret_id?: undefined; readonly secret_id_file: string };

const writtenAuth = z.strictObject({
  method: z.enum(['approle', 'jwt', 'kubernetes', 'token']),
  mount: path.exactOptional(),
  role_id: text.exactOptional(),
  secret_id: secret.exactOptional(),
  secret_id_file: file.exactOptional(),
  role: text.exactOptional(),
  token_file: file.exactOptional(),
  token: secret.exactOptional(),
});
type WrittenAuth = z.infer<typeof writtenAuth>;

/** What each method takes beside `method`; `mount` is the method's name unless it is given. */
const MEMBERS: Readonly<Record<WrittenAuth['method'], readonly (keyof WrittenAuth)[]>> = {
  approle: ['mount', 'role_id', 'secret_id', 'secret_id_file'],
  jwt: ['mount', 'role', 'token_file'],
  kubernetes: ['mount', 'role', 'token_file'],
  token: ['token'],
};

const auth = writtenAuth.transform((written, context): Auth => {
  const problem = (member: string, message: string) => context.addIssue({ code: 'custom', path: [member], message });
  for (const member of Object.keys(written) as (keyof WrittenAuth)[]) {
    if (member !== 'method' && !MEMBERS[written.method].includes(member))
      problem(member, `is not for the method ${written.method}`);
  }
  const read = toAuth(written);
  if (typeof read !== 'string') return read;
  problem(read, `is required for the method ${written.method}`);
  return z.NEVER;
});

/** @returns the name of a member that is missing. */
function toAuth(written: WrittenAuth): Auth | string {
  const { method, mount = method, role_id, secret_id, secret_id_file, role, token } = written;
  switch (method) {
    case 'approle':
      if (role_id === undefined) return 'role_id';
      if (secret_id !== undefined && secret_id_file === undefined) return { method, mount, role_id, secret_id };
      if (secret_id === undefined && secret_id_file !== undefined) return { method, mount, role_id, secret_id_file };
      return secret_id === undefined ? 'secret_id' : 'secret_id_file';
    case 'jwt':
    case 'kubernetes': {
      const token_file = written.token_file ?? (method === 'kubernetes' ? KUBERNETES_TOKEN : undefined);
      if (role === undefined) return 'role';
      return token_file === undefined ? 'token_file' : { method, mount, role, token_file };
    }
    case 'token':
      return token === undefined ? 'token' : { method, token };
  }
}

/**
 * `allow_policy_templates`: profiles may have policies written for each grant. The broker is then as strong as whatever it may
 * write into policies, so that it is off unless it is asked for here and in the profile.
 */
export const VaultConfig = z.strictObject({
  address: z
    .string()
    .refine(isServer, 'must be an origin such as https://vault.internal:8200: no path, no user')
    .transform((written) => new URL(written).origin),
  namespace: z
    .string()
    .transform((written) => written.replace(/^\/|\/$/g, ''))
    .refine((written) => written === '' || isPath(written), 'must be names with / between them, such as team-a')
    .default(''),
  auth,
  ca_file: file.exactOptional(),
  allow_policy_templates: z.boolean().default(false),
  max_ttl: duration.exactOptional(),
});
export type VaultConfig = z.infer<typeof VaultConfig>;

function isServer(written: string): boolean {
  if (!URL.canParse(written)) return false;
  const { protocol, pathname, search, hash, username, password } = new URL(written);
  return (
    /^https?:$/.test(protocol) && pathname === '/' && [search, hash, username, password].every((part) => part === '')
  );
}
