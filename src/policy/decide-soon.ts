import type { PolicyAnswer, PolicyRequest, PolicySet } from './policy.ts';

/** So many in one go at most, some milliseconds: what else the process does has a turn then. */
const AT_ONCE = 8;

interface Waiting {
  readonly request: PolicyRequest;
  resolve(answer: PolicyAnswer): void;
  reject(error: unknown): void;
}

/** Whoever asks in one turn of the event loop is decided in one go at its end: one after the other, with other work in between, each takes longer. */
export function makeDecideSoon(decideAll: PolicySet['decideAll']): PolicySet['decideSoon'] {
  const waiting: Waiting[] = [];

  function decideThem(): void {
    const some = waiting.splice(0, AT_ONCE);
    if (waiting.length > 0) setImmediate(decideThem);
    try {
      decideAll(some.map(({ request }) => request)).forEach((answer, at) => some[at]?.resolve(answer));
    } catch (error) {
      for (const { reject } of some) reject(error);
    }
  }

  return (request) =>
    new Promise((resolve, reject) => {
      waiting.push({ request, resolve, reject });
      if (waiting.length === 1) setImmediate(decideThem);
    });
}
