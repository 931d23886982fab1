import { malformedPolicy, Unsupported } from '../errors.ts';
import { isObject, textsOf } from './json.ts';

/** Who asks, as trust policies name them: from the most exact name to the account. */
export interface Asker {
  readonly account: string;
  /** The ARN of the user or session itself. */
  readonly arn: string;
  /** The ARN of the session's role. */
  readonly role?: string;
  /** The ARN of the OIDC provider that vouches. */
  readonly federated?: string;
}

/** How a Principal names the asker: itself, its role, everyone, or only by delegating to the account's own policies. */
export type Naming = 'self' | 'role' | 'everyone' | 'account';
export type PrincipalMatcher = (asker: Asker) => Naming | undefined;

export function principals(value: unknown): PrincipalMatcher {
  if (value === '*') return (asker) => (asker.federated === undefined ? 'everyone' : undefined);
  if (!isObject(value)) throw malformedPolicy('Invalid principal in policy');
  const matchers = Object.entries(value).flatMap(([kind, names]) =>
    textsOf(names, 'Principal').map((name) => principal(kind, name)),
  );
  return (asker) => matchers.map((matches) => matches(asker)).find((naming) => naming !== undefined);
}

function principal(kind: string, name: string): PrincipalMatcher {
  switch (kind) {
    case 'AWS':
      return awsPrincipal(name);
    case 'Federated':
      return (asker) => (asker.federated === name ? 'self' : undefined);
    case 'Service':
      return () => undefined;
    default:
      throw new Unsupported(`a Principal of the kind ${kind} is not built here`);
  }
}

function awsPrincipal(name: string): PrincipalMatcher {
  const account = /^(?:arn:aws:iam::(\d{12}):root|(\d{12}))$/u.exec(name);
  const number = account?.[1] ?? account?.[2];
  const exact = /^arn:aws:(iam::\d{12}:(user|role)|sts::\d{12}:assumed-role)\/[\w+=,.@/-]+$/u.test(name);
  if (name !== '*' && number === undefined && !exact)
    throw malformedPolicy(`Invalid principal in policy: "AWS":"${name}"`);
  return (asker) => {
    if (asker.federated !== undefined) return undefined;
    if (name === '*') return 'everyone';
    if (number !== undefined) return number === asker.account ? 'account' : undefined;
    if (name === asker.arn) return 'self';
    return name === asker.role ? 'role' : undefined;
  };
}
