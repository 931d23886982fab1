/** ISO 8601 in whole seconds, as AWS writes instants. */
export function iso(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/u, 'Z');
}
