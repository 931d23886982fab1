import { Refusal, SYSTEM_TTL, type FakeRole } from './state.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `30s`, `1h`, `90` or 90; nothing is 0. @throws Refusal 400. */
export function secondsOf(written: unknown): number {
  if (written === undefined || written === null || written === '') return 0;
  const text = typeof written === 'number' ? `${written}` : written;
  const match = typeof text === 'string' && /^([0-9]+)([smhd]?)$/.exec(text);
  if (!match) throw new Refusal(400, 'could not be parsed as a duration');
  return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1);
}

export function listOf(written: unknown): string[] {
  if (Array.isArray(written)) return written.map(String);
  return typeof written === 'string' && written !== '' ? written.split(',') : [];
}

export function globs(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}

export const numberOf = (role: FakeRole, member: string): number => secondsOf(role[member]);

/**
 * How long from now, counted from `issuedMs` where it is an extension (`framework.CalculateTTL`, which drops what is less
 * than a second). @throws Refusal 400 past the greatest life.
 */
export function ttlOf(asked: number, usual: number, explicitMax: number, nowMs: number, issuedMs: number): number {
  const max = explicitMax > 0 ? Math.min(explicitMax, SYSTEM_TTL) : SYSTEM_TTL;
  const ttl = asked > 0 ? asked : usual > 0 ? usual : SYSTEM_TTL;
  const left = Math.floor(issuedMs / 1000) + max - Math.floor(nowMs / 1000);
  if (left <= 0) throw new Refusal(400, 'past the max TTL, cannot renew');
  return Math.min(ttl, left);
}
