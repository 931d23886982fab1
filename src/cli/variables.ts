import type { Credential, IssuedGrant, VaultSecret, VaultToken } from '../client/index.ts';
import { CliError, EXIT } from './exit.ts';

export type Variables = Readonly<Record<string, string>>;

/**
 * A credential as environment variables, under the names that its clients read (docs/cli.md).
 * @throws CliError `credential_unfit` where a name or value cannot stand in an environment; the value is not quoted.
 */
export function variablesOf(grant: IssuedGrant): Variables {
  const variables = mapped(grant.credential);
  for (const [name, value] of Object.entries(variables)) {
    if (typeof value !== 'string' || value.includes('\0'))
      throw unfit(`the value for ${name} cannot stand in an environment`);
  }
  return variables;
}

function mapped(credential: Credential): Variables {
  switch (credential.type) {
    case 'postgres':
      return {
        DATABASE_URL: credential.url,
        PGHOST: credential.host,
        PGPORT: String(credential.port),
        PGDATABASE: credential.database,
        PGUSER: credential.username,
        PGPASSWORD: credential.password,
      };
    case 'jwt':
      return { WRIT_TOKEN: credential.token };
    case 'aws':
      return {
        AWS_ACCESS_KEY_ID: credential.access_key_id,
        AWS_SECRET_ACCESS_KEY: credential.secret_access_key,
        AWS_SESSION_TOKEN: credential.session_token,
        AWS_REGION: credential.region,
        AWS_DEFAULT_REGION: credential.region,
        AWS_CREDENTIAL_EXPIRATION: credential.expiration,
      };
    case 'vault_token':
      return ofVaultToken(credential);
    case 'vault_secret':
      return ofVaultSecret(credential);
    default:
      throw unknownType(credential);
  }
}

function ofVaultToken(credential: VaultToken): Variables {
  return {
    VAULT_ADDR: credential.address,
    ...(credential.token !== undefined && { VAULT_TOKEN: credential.token }),
    ...(credential.wrapping_token !== undefined && { VAULT_WRAPPING_TOKEN: credential.wrapping_token }),
    ...(credential.namespace !== '' && { VAULT_NAMESPACE: credential.namespace }),
  };
}

/** Names that decide how programs are found, loaded and run are nobody's to set by writing a secret. */
const STEERING = new Set(
  `PATH HOME SHELL IFS ENV BASH_ENV PS4 PROMPT_COMMAND NODE_OPTIONS NODE_PATH PYTHONPATH PYTHONHOME PYTHONSTARTUP PERL5LIB
  PERL5OPT RUBYLIB RUBYOPT JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS GIT_SSH GIT_SSH_COMMAND GIT_EXEC_PATH`.split(
    /\s+/,
  ),
);
const steers = (name: string) => STEERING.has(name) || /^(LD|DYLD)_/.test(name);

function ofVaultSecret(credential: VaultSecret): Variables {
  const variables = new Map<string, string>();
  for (const [key, value] of Object.entries(credential.data)) {
    const name = key.toUpperCase().replace(/[-.]/g, '_');
    if (!/^[A-Z_][A-Z0-9_]*$/.test(name))
      throw unfit(`the secret's member ${JSON.stringify(key)} is no name for a variable`);
    if (steers(name)) throw unfit(`the secret's member ${JSON.stringify(key)} would steer programs as ${name}`);
    if (variables.has(name)) throw unfit(`two members of the secret would be ${name}`);
    variables.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return Object.fromEntries(variables);
}

function unknownType(credential: never): CliError {
  const { type }: { type?: unknown } = credential;
  return new CliError('credential_unknown', `this version does not know credentials of type ${JSON.stringify(type)}`, {
    exit: EXIT.failed,
  });
}

export function unfit(sentence: string): CliError {
  return new CliError('credential_unfit', sentence, { exit: EXIT.failed, help: 'try --format json' });
}
