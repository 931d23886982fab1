import type { Overlay } from '../config/index.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import {
  DEV_OPERATORS_AUDIENCE,
  DEV_OPERATORS_ISSUER,
  DEV_TRUST_DOMAIN,
  operatorSubject,
  SECOND_SECURITY,
} from './issuer.ts';

/** Files of the development issuer's public keys. */
export interface DevKeys {
  readonly bundleFile: string;
  readonly operatorsFile: string;
}

/** What the embedded default adds to `writ.yaml`, in memory only: the trust domain dev.local, its operators, and `env`. */
export function devOverlay(keys: DevKeys, env: Readonly<Record<string, string>>): Overlay {
  return {
    trust: [
      {
        name: 'dev',
        kind: 'spiffe',
        trust_domain: DEV_TRUST_DOMAIN,
        bundle: { file: keys.bundleFile },
        vouches_for: '1h',
        development: true,
      },
    ],
    operators: [
      {
        issuer: DEV_OPERATORS_ISSUER,
        audience: DEV_OPERATORS_AUDIENCE,
        jwks: { file: keys.operatorsFile },
        algorithms: ['ES256'],
        max_age: '7d',
        roles: {
          ...Object.fromEntries(OPERATOR_ROLES.map((role) => [role, { subjects: [operatorSubject(role)] }])),
          security: { subjects: [operatorSubject('security'), operatorSubject(SECOND_SECURITY)] },
        },
        development: true,
      },
    ],
    env,
  };
}

/** The variables that the embedded default sets where the environment does not. */
export const DEV_VARIABLES = ['DATABASE_URL', 'ORDERS_DB_URL', 'WRIT_KEK'] as const;
