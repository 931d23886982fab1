/** RFC 8785, written from its text and sharing nothing with `src`: JSON with one way of writing each value. */
export function canonicalise(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'string') return string(value);
  if (Array.isArray(value)) return `[${value.map(canonicalise).join(',')}]`;
  if (typeof value !== 'object') throw new Error(`not JSON: ${typeof value}`);
  const members = Object.entries(value).sort(([a], [b]) => byCodeUnits(a, b));
  return `{${members.map(([name, member]) => `${string(name)}:${canonicalise(member)}`).join(',')}}`;
}

/** §3.2.2.3; Writ writes integers alone. */
function number(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error(`not a safe integer: ${value}`);
  return value.toFixed(0);
}

const SHORT = new Map([
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
]);

/** §3.2.2.2 */
function string(text: string): string {
  const units = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  const written = units.map((unit) => {
    if (unit < 0x20) return SHORT.get(unit) ?? `\\u${unit.toString(16).padStart(4, '0')}`;
    return SHORT.get(unit) ?? String.fromCharCode(unit);
  });
  return `"${written.join('')}"`;
}

/** §3.2.3 */
function byCodeUnits(a: string, b: string): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const difference = a.charCodeAt(at) - b.charCodeAt(at);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
