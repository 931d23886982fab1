import { aws } from './aws/index.ts';
import { jwt } from './jwt/index.ts';
import { postgres } from './postgres/index.ts';

/** Every kind of provider. */
export const providerKinds = [aws, postgres, jwt] as const;
