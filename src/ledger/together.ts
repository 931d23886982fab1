import { Fault } from '../domain/errors.ts';
import type { Connection } from './connection.ts';

/** So many statements are under way where nothing holds them up: one works while the other's commit waits for the disk. */
const AT_ONCE = 2;
/** Who finds as many under way waits no longer than this for an end, and goes beside them then. */
const PATIENCE_MS = 3;
/** So many share a commit, and wait for nobody else: more would save hardly more, and each of them would wait for the work of all. */
const FULL = 4;

interface Waiting {
  readonly argument: object;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/**
 * A transition for many who ask at once, as `transition` makes it for one: those who ask while as many are under way as may be wait for an end,
 * and share a statement and a commit. Each has its own answer and its own refusal; if the ledger is away for one, it is for all that share with it. Who
 * comes alone goes alone, and waits for nobody.
 */
export function makeTogether({ call, transition }: Connection, name: 'open_grant' | 'activate_mint') {
  let waiting: Waiting[] = [];
  let underWay = 0;
  /** The last who went were several, or more than should be: whoever comes now waits for the others of this turn of the event loop. */
  let crowded = false;
  let starting = false;
  let patience: NodeJS.Timeout | undefined;

  function startAfterTurn(): void {
    if (starting) return;
    starting = true;
    setImmediate(() => {
      starting = false;
      start();
    });
  }

  /** What those who wait, if any, wait for. */
  function startInTime(): void {
    if (underWay < AT_ONCE || waiting.length >= FULL) startAfterTurn();
    else if (waiting.length > 0) patience ??= setTimeout(start, PATIENCE_MS);
  }

  function start(): void {
    clearTimeout(patience);
    patience = undefined;
    const some = waiting.slice(0, FULL);
    waiting = waiting.slice(FULL);
    if (some.length === 0) return;
    crowded = some.length > 1 || underWay >= AT_ONCE;
    underWay += 1;
    void ask(some).then(() => {
      underWay -= 1;
      startInTime();
    });
    startInTime();
  }

  /** Never fails: each of them is told. */
  async function ask(some: readonly Waiting[]): Promise<void> {
    const [first] = some;
    if (first && some.length === 1) return alone(first);
    try {
      const texts = some.map(({ argument }) => JSON.stringify(argument));
      const sql = 'select transitions_together($1, $2) as answer';
      const rows = await call<{ answer: unknown }>('transitions_together', sql, [name, texts]);
      if (rows.length !== some.length) throw new Fault('ledger_unavailable');
      some.forEach((one, at) => {
        const answer = rows[at]?.answer ?? null;
        if (answer === null) void alone(one);
        else one.resolve(answer);
      });
    } catch (error) {
      for (const { reject } of some) reject(error);
    }
  }

  function alone({ argument, resolve, reject }: Waiting): Promise<void> {
    return transition(name, argument).then(resolve, reject);
  }

  return <Answer>(argument: object) =>
    new Promise<Answer>((resolve, reject) => {
      waiting.push({ argument, resolve: (answer) => resolve(answer as Answer), reject });
      if (underWay < AT_ONCE && !crowded) start();
      else startInTime();
    });
}
