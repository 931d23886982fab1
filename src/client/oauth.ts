import type { Json } from '../domain/json.ts';

/** RFC 7662 §2.2. Whatever is not live, or not the caller's to know, is `{"active": false}` and nothing else. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true;
      readonly sub?: string;
      readonly aud?: string | readonly string[];
      readonly scope?: string;
      /** Seconds since the epoch. */
      readonly exp?: number;
      readonly iat?: number;
      readonly [member: string]: Json | undefined;
    };
