import { postgres } from './postgres/index.ts';

/** Every kind of provider. */
export const providerKinds = [postgres] as const;
