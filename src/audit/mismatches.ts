import type { Findings } from './findings.ts';

/** An event that stands where its hash is not the one that was sealed. */
interface Stranger {
  readonly leaf: number;
  readonly seq: string;
  readonly hash: string;
}

/** So many are told apart; beyond that a log is past being read leaf by leaf. */
const MAX = 200_000;

/** Gathers what does not fit, and tells in the end what has become of what: altered, removed, moved or added. */
export function makeMismatches() {
  /** Hashes that were sealed, and by whose leaf no such event stands. */
  const empty = new Map<number, string>();
  const strangers: Stranger[] = [];
  let more = 0;

  return {
    /** Of a leaf: the hash that was sealed there, and the events that stand there and have another. */
    note(leaf: number, sealed: Uint8Array | undefined, there: readonly { seq: string; hash: Uint8Array }[]): void {
      if (empty.size + strangers.length > MAX) {
        more++;
        return;
      }
      if (sealed) empty.set(leaf, hex(sealed));
      for (const { seq, hash } of there) strangers.push({ leaf, seq, hash: hex(hash) });
    },

    tell(findings: Findings): void {
      const places = new Map([...empty].map(([leaf, hash]) => [hash, leaf]));
      const moved: { leaf: number; from: number; seq: string }[] = [];
      const rest: Stranger[] = [];
      for (const { leaf, seq, hash } of strangers) {
        const from = places.get(hash);
        if (from === undefined) rest.push({ leaf, seq, hash });
        else {
          moved.push({ leaf, from, seq });
          empty.delete(from);
        }
      }
      for (const { leaf, seq } of rest) {
        const about = `leaf ${leaf}`;
        if (empty.delete(leaf)) findings.add('event_altered', about, `event ${seq} is not what was sealed`);
        else findings.add('event_added', about, `event ${seq} stands there and was not sealed there`);
      }
      for (const { first, last } of runs([...empty.keys()].map((leaf) => ({ leaf, from: leaf })))) {
        findings.add('event_missing', spanOf(first.leaf, last.leaf), 'what was sealed there is gone');
      }
      for (const { first, last } of runs(moved)) {
        findings.add(
          'event_moved',
          spanOf(first.leaf, last.leaf),
          `what stands there was sealed at ${spanOf(first.from, last.from)}`,
        );
      }
      if (more > 0) findings.add('event_altered', 'the log', `${more} more leaves do not fit`);
    },
  };
}
export type Mismatches = ReturnType<typeof makeMismatches>;

interface Move {
  readonly leaf: number;
  readonly from: number;
}

/** Neighbours that moved by the same are told as one. */
function runs<M extends Move>(moves: readonly M[]): { first: M; last: M }[] {
  const found: { first: M; last: M }[] = [];
  for (const move of [...moves].sort((one, other) => one.leaf - other.leaf)) {
    const run = found.at(-1);
    const goesOn = run && move.leaf === run.last.leaf + 1 && move.from - move.leaf === run.last.from - run.last.leaf;
    if (goesOn) run.last = move;
    else found.push({ first: move, last: move });
  }
  return found;
}

export function spanOf(first: number, last: number): string {
  return first === last ? `leaf ${first}` : `leaves ${first} to ${last}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
