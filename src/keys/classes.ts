/** The classes of token that Writ signs. Each has its own keys and its own `typ`: a token of one never passes as another. */
export const TOKEN_CLASSES = {
  /** Access tokens (RFC 9068 §2.1). */
  access: { typ: 'at+jwt' },
  /** What binds the request for an approval to the denial that it is about; we alone read it. */
  denial: { typ: 'denial+jwt' },
} as const;
export type TokenClass = keyof typeof TOKEN_CLASSES;

export const CLASS_NAMES = Object.keys(TOKEN_CLASSES) as readonly TokenClass[];

/** ECDSA with P-256 and SHA-256 (RFC 7518 §3.4): the only algorithm that keys are made for. */
export const ALGORITHM = 'ES256';
