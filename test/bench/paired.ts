import type { Figures } from './measure.ts';

/** One line of a table: medians over the rounds, and the ratio to what was measured beside it, round by round. */
export interface Row {
  readonly callers: number;
  readonly figures: Figures;
  readonly beside: Figures;
  readonly ratio: { readonly median: number; readonly min: number; readonly max: number };
}

/**
 * Measures two things in turn, so that a machine whose speed drifts drifts for both: each round has its own ratio, and the
 * median of those is what is quoted.
 */
export async function paired(
  rounds: number,
  beside: () => Promise<Figures>,
  measured: () => Promise<Figures>,
): Promise<Row> {
  const pairs: { readonly beside: Figures; readonly measured: Figures }[] = [];
  for (let round = 0; round < rounds; round++) pairs.push({ beside: await beside(), measured: await measured() });
  const ratios = pairs.map((pair) => pair.measured.perSecond / pair.beside.perSecond).sort((a, b) => a - b);
  const middle = (of: (pair: (typeof pairs)[number]) => Figures): Figures => ({
    callers: pairs[0]?.measured.callers ?? 0,
    perSecond: median(pairs.map((pair) => of(pair).perSecond)),
    p50: median(pairs.map((pair) => of(pair).p50)),
    p99: median(pairs.map((pair) => of(pair).p99)),
  });
  const figures = middle((pair) => pair.measured);
  return {
    callers: figures.callers,
    figures,
    beside: middle((pair) => pair.beside),
    ratio: { median: median(ratios), min: ratios[0] ?? 0, max: ratios.at(-1) ?? 0 },
  };
}

/** One after the other, each of them first in turn. Answers in the sequence in which they are given. */
export async function inTurn<Result>(
  round: number,
  works: readonly (() => Promise<Result>)[],
): Promise<readonly Result[]> {
  const first = ((round % works.length) + works.length) % works.length;
  const results: Result[] = [];
  for (const [at, work] of [...works.entries(), ...works.entries()].slice(first, first + works.length))
    results[at] = await work();
  return results;
}

/** Of an even number of values the middle between the two middle ones. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** What a quarter of the values lies below, and what a quarter lies above. */
export function quartiles(values: readonly number[]): readonly [number, number] {
  return [quantile(values, 0.25), quantile(values, 0.75)];
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? 0;
  return below + (above - below) * (at - Math.floor(at));
}

/** @param besideName - what the ratio is to. */
export function table(say: (line: string) => void, title: string, besideName: string, rows: readonly Row[]): void {
  say(title);
  say(`  callers   per second   p50 ms   p99 ms   ${besideName} per second   p50 ms   p99 ms   ratio (min-max)`);
  for (const { callers, figures, beside, ratio } of rows) {
    const cells = [
      String(callers).padStart(7),
      figures.perSecond.toFixed(0).padStart(12),
      figures.p50.toFixed(2).padStart(8),
      figures.p99.toFixed(2).padStart(8),
      beside.perSecond.toFixed(0).padStart(12 + besideName.length),
      beside.p50.toFixed(2).padStart(8),
      beside.p99.toFixed(2).padStart(8),
      `  ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)})`,
    ];
    say(`  ${cells.join(' ')}`);
  }
  say('');
}
