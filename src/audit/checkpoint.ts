import { HASH_BYTES } from './merkle.ts';
import { bytesOf, isSignedBy, parseNote } from './note.ts';
import type { NoteKey, SignedNote } from './note.ts';

/** A statement about the whole log (https://c2sp.org/tlog-checkpoint): under this origin, so many events, this root. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** A checkpoint as it was signed. */
export interface SignedCheckpoint extends Checkpoint {
  /** The signed note. */
  readonly note: string;
  readonly signed: SignedNote;
}

/** The text that is signed. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
}

/** Reads a signed checkpoint, further lines of others included; undefined where it is none. The signature is not checked. */
export function readCheckpoint(note: string): SignedCheckpoint | undefined {
  const signed = parseNote(note);
  const [origin = '', size = '', encoded, ...rest] = signed?.text.split('\n') ?? [];
  const root = bytesOf(encoded);
  if (!signed || origin === '' || !/^(?:0|[1-9]\d{0,15})$/.test(size) || rest.length === 0) return undefined;
  if (root?.length !== HASH_BYTES || !Number.isSafeInteger(Number(size))) return undefined;
  return { origin, size: Number(size), root, note, signed };
}

/** Whether one of these keys has signed it, for this origin. */
export function isCheckpointOf(checkpoint: SignedCheckpoint, origin: string, keys: readonly NoteKey[]): boolean {
  return checkpoint.origin === origin && isSignedBy(checkpoint.signed, keys);
}

const SIGNATURE = '\u2014 ';

/** Every whole checkpoint of a text that holds one behind the other, as a witness's file does; the rest is passed over. */
export function readCheckpoints(text: string): SignedCheckpoint[] {
  const found: SignedCheckpoint[] = [];
  let said: string[] = [];
  let signatures: string[] = [];
  /** An empty line parts what is signed from its signatures. */
  let isSaid = false;
  const end = (): void => {
    const checkpoint =
      signatures.length === 0 ? undefined : readCheckpoint(`${[...said, '', ...signatures].join('\n')}\n`);
    if (checkpoint) found.push(checkpoint);
    [said, signatures, isSaid] = [[], [], false];
  };
  // what is behind the last newline is no line
  for (const line of text.split('\n').slice(0, -1)) {
    if (isSaid && line.startsWith(SIGNATURE)) signatures.push(line);
    else {
      if (isSaid) end();
      if (line === '') isSaid = said.length > 0;
      else if (line.startsWith('\u2014')) said = [];
      else said.push(line);
    }
  }
  end();
  return found;
}
