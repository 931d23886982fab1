import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PolicyAnswer, PolicyRequest, PolicySet } from './policy.ts';
import type { DecisionPool, PooledSet } from './pool.ts';

/** For so long a batch keeps the thread to itself before it lets others have a turn. */
const SLICE_MS = 2;
/** Fewer than this are quicker decided here than handed over. */
const WORTH_HANDING_OVER = 4;
/** So many are handed over at once: threads begin while the rest is still being put together, share a batch evenly, and two batches take turns. */
const PIECE = 8;

interface Asked {
  readonly request: PolicyRequest;
  readonly text: string;
}

interface Piece {
  readonly asked: readonly Asked[];
  /** What the threads make of it; nothing where it is decided here. Never rejects. */
  readonly handed: Promise<PolicyAnswer[] | undefined> | undefined;
}

export function makeDecideMany(
  decide: PolicySet['decide'],
  pool: DecisionPool | undefined,
  set: PooledSet,
): PolicySet['decideMany'] {
  return () => {
    const pieces: Piece[] = [];
    let open: Asked[] = [];
    let batch: ReturnType<DecisionPool['begin']>;

    function closePiece(): void {
      if (pieces.length === 0 && open.length >= WORTH_HANDING_OVER) batch = pool?.begin(set);
      pieces.push({ asked: open, handed: batch?.decide(open.map(({ text }) => text)) });
      open = [];
    }

    return {
      ask(request, text) {
        open.push({ request, text });
        if (open.length === PIECE) closePiece();
      },
      async *answers() {
        if (open.length > 0) closePiece();
        let since = performance.now();
        for (const { asked, handed } of pieces) {
          const decided = await handed;
          if (decided) {
            yield decided;
            continue;
          }
          const answers: PolicyAnswer[] = [];
          for (const { request } of asked) {
            if (performance.now() - since > SLICE_MS) {
              await nextTurn();
              since = performance.now();
            }
            answers.push(decide(request));
          }
          yield answers;
        }
      },
    };
  };
}
