import type { SignedCheckpoint } from './checkpoint.ts';
import { isSignedByAny } from './check-log.ts';
import { readEvent } from './event.ts';
import type { ConsistencyProof, ExportHeader, ExportTrailer } from './export-file.ts';
import type { Reading } from './export-reading.ts';
import type { Findings } from './findings.ts';
import { leafHash } from './merkle.ts';
import type { NoteKey } from './note.ts';
import { includes, isExtension, rootOfRange, same } from './proofs.ts';

export interface HeldAgainst {
  /** Whose signatures count; none: the signature of the export's own checkpoint is not checked. */
  readonly keys: readonly NoteKey[];
  /** Checkpoints that were kept by whoever verifies: of each place, all that it has. */
  readonly kept: readonly (readonly SignedCheckpoint[])[];
}

/** The checkpoint of the export, and those that were kept. */
export function conclude(
  { origin, first, end }: ExportHeader,
  reading: Reading,
  trailer: ExportTrailer,
  checkpoint: SignedCheckpoint,
  { keys, kept }: HeldAgainst,
  findings: Findings,
): void {
  const { size, root } = checkpoint;
  const about = `checkpoint ${size}`;
  const signed = keys.length === 0 || isSignedByAny(checkpoint, keys);
  if (!signed) findings.add('checkpoint_forged', about, 'the export’s own is not signed by the key');
  if (checkpoint.origin !== origin)
    findings.add('checkpoint_forged', about, `is of ${checkpoint.origin}, the export of ${origin}`);
  if (end > size) {
    findings.add('export_incomplete', about, `is of fewer events than the export has`);
    return;
  }
  const whole = reading.tree().size() === end && rootOfRange(reading.tree().frontier(), end, trailer.right, size);
  if (!whole || !same(whole, root)) {
    const range = `among leaves ${first} to ${end - 1} something was changed, added or removed`;
    findings.add('checkpoint_differs', about, `says another root: ${range}${reading.hints()}`);
  }
  for (const { leaf, body, path } of trailer.archivings) {
    const event = includes(checkpoint, leaf, leafHash(body), path) ? readEvent(body) : undefined;
    if (event) reading.hear(event);
    else findings.add('export_malformed', 'the end', `what it says leaf ${leaf} to be is not in the log`);
  }
  for (const one of kept.flatMap((place) => toBeHeld(place, size, (sized) => proofOf(sized, reading, trailer)))) {
    const name = `kept checkpoint ${one.size}`;
    if (keys.length > 0 && !isSignedByAny(one, keys))
      findings.add('checkpoint_forged', name, 'is not signed by the key');
    else if (one.origin !== origin)
      findings.add('checkpoint_forged', name, `is of ${one.origin}, the export of ${origin}`);
    else if (one.size > size) {
      findings.add(
        'log_truncated',
        name,
        `is of more events than the export’s, which is of ${size}: ask for a newer export`,
      );
    } else compareKept(one, reading, trailer, checkpoint, findings);
  }
}

/** Of what one place has kept: all that can be held against an export, the newest that should be, and the newest that is beyond it. */
function toBeHeld(
  place: readonly SignedCheckpoint[],
  size: number,
  isProven: (size: number) => unknown,
): SignedCheckpoint[] {
  const rising = [...place].sort((one, other) => one.size - other.size);
  const within = rising.filter((one) => one.size <= size);
  const beyond = rising.at(-1);
  return [
    ...within.filter((one) => one === within.at(-1) || one.size === size || isProven(one.size) !== undefined),
    ...(beyond && beyond.size > size ? [beyond] : []),
  ];
}

/** What says how the log of that size goes on to the checkpoint's; undefined: nothing. */
function proofOf(size: number, reading: Reading, trailer: ExportTrailer): ConsistencyProof | Buffer | undefined {
  return trailer.consistency.find(({ oldSize }) => oldSize === size) ?? reading.roots().get(size);
}

function compareKept(
  kept: SignedCheckpoint,
  reading: Reading,
  trailer: ExportTrailer,
  checkpoint: SignedCheckpoint,
  findings: Findings,
): void {
  const name = `kept checkpoint ${kept.size}`;
  const inside = reading.roots().get(kept.size);
  const proof = trailer.consistency.find(({ oldSize }) => oldSize === kept.size);
  const agrees =
    kept.size === checkpoint.size
      ? same(kept.root, checkpoint.root)
      : proof
        ? isExtension(kept, checkpoint, proof.path)
        : inside && same(inside, kept.root);
  if (agrees === undefined) {
    findings.add(
      'export_incomplete',
      name,
      'lies outside of the range, or within what was put away: export with --checkpoint, and its proof comes along',
    );
  } else if (!agrees)
    findings.add('checkpoint_differs', name, 'says another root: the log is not the one that it was of');
}
