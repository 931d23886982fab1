import type { JsonObject } from '../domain/json.ts';
import type { Connection } from './connection.ts';

/** A key's private half as it is stored: encrypted, or, once wiped, a seal without it. */
export interface WrappedKey {
  readonly encryptionKey: string;
  readonly wrapped: string;
}

export interface NewSigningKey extends WrappedKey {
  readonly kid: string;
  readonly class: string;
  readonly alg: string;
  readonly publicJwk: JsonObject;
}

export interface SigningKeyRow extends NewSigningKey {
  readonly createdAt: Date;
  readonly signsFrom: Date;
  readonly signsUntil: Date | null;
  readonly goneAt: Date | null;
  readonly wipedAt: Date | null;
}

/** Where the key ring keeps its keys. Each change is a compare-and-set together with its event; false: another was first. */
export function makeSigningKeys(connection: Connection) {
  const reseal = (kid: string, from: string, to: WrappedKey, wipe: boolean) =>
    connection.transition<boolean>('reseal_signing_key', {
      kid,
      from,
      wrapped: to.wrapped,
      kek_id: to.encryptionKey,
      wipe,
    });
  return {
    /** All keys but those that are gone and wiped, oldest first. */
    list(): Promise<SigningKeyRow[]> {
      const sql = `select kid, class, alg, public_jwk as "publicJwk", kek_id as "encryptionKey", wrapped, created_at as "createdAt",
        signs_from as "signsFrom", signs_until as "signsUntil", gone_at as "goneAt", wiped_at as "wipedAt"
        from signing_keys where gone_at is null or gone_at > clock_timestamp() or wiped_at is null order by created_at, kid`;
      return connection.call<SigningKeyRow>('signing_keys', sql, []);
    },

    add: (key: NewSigningKey, succession: { after: string | null; leadSeconds: number; keepSeconds: number }) =>
      connection.transition<boolean>('add_signing_key', {
        kid: key.kid,
        class: key.class,
        alg: key.alg,
        public_jwk: key.publicJwk,
        wrapped: key.wrapped,
        kek_id: key.encryptionKey,
        after: succession.after,
        lead_seconds: succession.leadSeconds,
        keep_seconds: succession.keepSeconds,
      }),

    wipe: (kid: string, from: string, to: WrappedKey) => reseal(kid, from, to, true),
    rewrap: (kid: string, from: string, to: WrappedKey) => reseal(kid, from, to, false),
  };
}
