import { createHash, createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { NOTE_NAME } from '../domain/note-name.ts';

/**
 * Signed notes (https://c2sp.org/signed-note) with Ed25519: a text that ends in a newline, an empty line, and a line for each
 * signature, `— <name> <base64 of 4 bytes of key id and the signature>`.
 */
export interface SignedNote {
  /** Everything that is signed, its last newline included. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

/** Whose signatures count; written as `<name>+<key id in hex>+<base64 of a byte 1 and the 32 bytes of the public key>`. */
export interface NoteKey {
  readonly name: string;
  readonly keyId: Buffer;
  readonly publicKey: KeyObject;
}

const ED25519 = 1;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const MAX_CHARS = 100_000;
const MARK = '\u2014 ';

export const isNoteName = (name: string): boolean => NOTE_NAME.test(name);

/** @throws TypeError when it cannot be written down as a key. */
export function makeNoteKey(name: string, publicKey: Uint8Array): NoteKey {
  if (!isNoteName(name) || publicKey.length !== KEY_BYTES) throw new TypeError('not a name and a key of 32 bytes');
  const typed = Buffer.concat([Buffer.from([ED25519]), publicKey]);
  const keyId = createHash('sha256').update(`${name}\n`).update(typed).digest().subarray(0, 4);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
  return { name, keyId, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) };
}

export function formatNoteKey({ name, keyId, publicKey }: NoteKey): string {
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  return `${name}+${keyId.toString('hex')}+${Buffer.concat([Buffer.from([ED25519]), raw]).toString('base64')}`;
}

/** Undefined for what is no such key, or whose id is not that of its name and bytes. */
export function parseNoteKey(text: string): NoteKey | undefined {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text) ?? [];
  const typed = bytesOf(encoded);
  if (!name || !isNoteName(name) || typed?.length !== 1 + KEY_BYTES || typed[0] !== ED25519) return undefined;
  const key = makeNoteKey(name, typed.subarray(1));
  return key.keyId.toString('hex') === id ? key : undefined;
}

export function formatNote(text: string, { name, keyId }: NoteKey, signature: Uint8Array): string {
  return `${text}\n${MARK}${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
}

/** Undefined for what is not a signed note; that somebody has signed it is not checked here. */
export function parseNote(note: string): SignedNote | undefined {
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || note.length > MAX_CHARS || !note.endsWith('\n') || /[^\n\P{Cc}]/u.test(note)) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  const signatures = lines.map(parseSignature);
  const read = signatures.filter((signature) => signature !== undefined);
  return read.length === lines.length ? { text: note.slice(0, split + 1), signatures: read } : undefined;
}

function parseSignature(line: string): NoteSignature | undefined {
  const [name = '', encoded, ...rest] = line.startsWith(MARK) ? line.slice(MARK.length).split(' ') : [];
  const bytes = bytesOf(encoded);
  if (!isNoteName(name) || rest.length > 0 || !bytes || bytes.length < 5) return undefined;
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/** Whether one of these keys has signed it. Signatures of others are passed over, as witnesses add theirs. */
export function isSignedBy(note: SignedNote, keys: readonly NoteKey[]): boolean {
  const text = Buffer.from(note.text);
  return keys.some(({ name, keyId, publicKey }) =>
    note.signatures.some(
      (one) =>
        one.name === name &&
        one.keyId.equals(keyId) &&
        one.signature.length === SIGNATURE_BYTES &&
        verify(null, text, publicKey, one.signature),
    ),
  );
}

/** Base64 in its one canonical form. */
export function bytesOf(encoded: string | undefined): Buffer | undefined {
  const bytes = Buffer.from(encoded ?? '', 'base64');
  return encoded !== undefined && bytes.toString('base64') === encoded ? bytes : undefined;
}
