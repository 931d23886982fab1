import { jwt } from './jwt/index.ts';
import { postgres } from './postgres/index.ts';

/** Every kind of provider. */
export const providerKinds = [postgres, jwt] as const;
