import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { canonicalJson } from '../domain/json.ts';
import type { Secret } from '../domain/secret.ts';
import { KeyProblem } from './problem.ts';
import type { NewKey, Wrapped } from './store.ts';

/**
 * Signing keys at rest: AES-256-GCM under a key-encryption key that the database never sees. The text is
 * `v1.<holds>.<iv>.<ciphertext and tag>`, the last two in base64url; `holds` is `private`, or `public` once the private half
 * was wiped, where nothing is encrypted and the tag alone is left. Everything that the text must not be separated from is
 * authenticated with it, the public half above all: who can write to the ledger can not put a key of their own there.
 */
export interface EncryptionKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Secret<Uint8Array>;
}

/** What a wrapped text belongs to. */
export type Bound = Pick<NewKey, 'kid' | 'class' | 'alg' | 'publicJwk'>;

export interface Wrapper {
  /** Id of the key that wraps; the others unwrap. */
  readonly first: string;
  wrapPrivate(bound: Bound, privateHalf: Uint8Array): Wrapped;
  sealPublic(bound: Bound): Wrapped;
  /** The private half, or undefined once it was wiped. @throws KeyProblem `unknown_encryption_key`, `tampered`. */
  open(bound: Bound, wrapped: Wrapped): Uint8Array | undefined;
}

const VERSION = 'v1';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const TEXT = /^v1\.(private|public)\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})$/;
type Holds = 'private' | 'public';

/** @throws RangeError when there is no key, one is not 32 bytes long, or an id is there twice. */
export function makeWrapper(keys: readonly EncryptionKey[]): Wrapper {
  const byId = new Map(keys.map(({ id, key }) => [id, key]));
  const [first] = keys;
  if (!first) throw new RangeError('there is no key-encryption key');
  if (byId.size !== keys.length) throw new RangeError('two key-encryption keys have the same id');
  for (const { id, key } of keys) {
    if (key.reveal().length !== KEY_BYTES)
      throw new RangeError(`the key-encryption key "${id}" is not of ${KEY_BYTES} bytes`);
  }

  const encrypt = (bound: Bound, holds: Holds, plain: Uint8Array): Wrapped => {
    const { id, key } = first;
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key.reveal(), iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated(bound, holds, id));
    const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    return {
      encryptionKey: id,
      wrapped: [VERSION, holds, iv.toString('base64url'), sealed.toString('base64url')].join('.'),
    };
  };

  return {
    first: first.id,
    wrapPrivate: (bound, privateHalf) => encrypt(bound, 'private', privateHalf),
    sealPublic: (bound) => encrypt(bound, 'public', new Uint8Array()),
    open(bound, { encryptionKey, wrapped }) {
      const key = byId.get(encryptionKey);
      if (!key) throw new KeyProblem('unknown_encryption_key', encryptionKey);
      const [, holds, iv, sealed] = TEXT.exec(wrapped) ?? [];
      if (!holds || !iv || !sealed) throw new KeyProblem('tampered', bound.kid);
      try {
        const bytes = Buffer.from(sealed, 'base64url');
        const decipher = createDecipheriv('aes-256-gcm', key.reveal(), Buffer.from(iv, 'base64url'), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(associated(bound, holds as Holds, encryptionKey));
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
        const plain = Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]);
        return holds === 'private' ? plain : undefined;
      } catch (cause) {
        throw new KeyProblem('tampered', bound.kid, { cause });
      }
    },
  };
}

function associated({ kid, class: tokenClass, alg, publicJwk }: Bound, holds: Holds, encryptionKey: string): Buffer {
  return Buffer.from(
    canonicalJson({
      version: VERSION,
      holds,
      encryption_key: encryptionKey,
      kid,
      class: tokenClass,
      alg,
      public_jwk: publicJwk,
    }),
  );
}
