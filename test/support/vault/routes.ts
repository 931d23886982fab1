import type { Route } from './route.ts';
import { LOGIN_ROUTES, TOKEN_ROUTES } from './routes-auth.ts';
import { SECRET_ROUTES } from './routes-secrets.ts';
import { IDENTITY_ROUTES, SYSTEM_ROUTES } from './routes-sys.ts';

/** Everything that the fake knows; nothing else is answered. */
export const ROUTES: readonly Route[] = [
  ...TOKEN_ROUTES,
  ...LOGIN_ROUTES,
  ...IDENTITY_ROUTES,
  ...SYSTEM_ROUTES,
  ...SECRET_ROUTES,
];
