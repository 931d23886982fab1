/** The classes of token that Writ signs. Each has its own keys and its own `typ`: a token of one never passes as another. */
export const TOKEN_CLASSES = {
  /** Access tokens (RFC 9068 §2.1). */
  access: { typ: 'at+jwt' },
  /** Transaction tokens (draft-ietf-oauth-transaction-tokens), which say what task a workload is on. */
  task: { typ: 'txntoken+jwt' },
  /** What binds the request for an approval to the denial that it is about; we alone read it. */
  denial: { typ: 'denial+jwt' },
} as const;
export type TokenClass = keyof typeof TOKEN_CLASSES;

export const CLASS_NAMES = Object.keys(TOKEN_CLASSES) as readonly TokenClass[];

/** ECDSA with P-256 and SHA-256 (RFC 7518 §3.4): the only algorithm that tokens are signed with. */
export const ALGORITHM = 'ES256';

/**
 * The class of the key that signs checkpoints of the log: bare Ed25519 over a text, which is no token. Whoever verifies
 * checkpoints keeps its public half, so it is not succeeded by time; and it is not among the published keys of tokens.
 */
export const CHECKPOINT_CLASS = 'checkpoint';
export const CHECKPOINT_ALGORITHM = 'Ed25519';
