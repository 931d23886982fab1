/** Lines with their columns aligned, two spaces between; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, width(cell))));
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : pad(cell, widths[i] ?? 0))).join('  '));
}

function pad(text: string, to: number): string {
  return text + ' '.repeat(to - width(text));
}

/** In code points: ids and names are short and mostly ASCII. */
function width(text: string): number {
  return Array.from(text).length;
}

/** What is left until an instant: `14m 58s`, `2h 5m`, `3d 4h`; `0s` when it has passed. */
export function timeLeft(now: Date, until: string): string {
  const seconds = Math.max(0, Math.floor((Date.parse(until) - now.getTime()) / 1000));
  const [d, h, m, s] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  if (d > 0) return `${d}d ${h}h`;
  if (h > 0) return `${h}h ${m}m`;
  return m > 0 ? `${m}m ${s}s` : `${s}s`;
}
