import { aws } from './aws/index.ts';
import { jwt } from './jwt/index.ts';
import { postgres } from './postgres/index.ts';
import { vault } from './vault/index.ts';

/** Every kind of provider. */
export const providerKinds = [aws, vault, postgres, jwt] as const;
