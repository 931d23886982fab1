import { readFileSync } from 'node:fs';
import type { Part } from './part.ts';

const PARTS = 10;

/** Grants of a short life, so that the reaper is at work as well: resident memory must stay flat. */
export const memory: Part = {
  name: 'memory',
  async run({ quick, tokens, issuances, brokerPid, say }) {
    const total = quick ? 10_000 : 100_000;
    say(`memory of the broker over ${total} issuances that expire after 5 s`);
    for (let part = 1; part <= PARTS; part++) {
      const each = { profile: 'tools-refund-read', callers: 16, count: total / PARTS, tokens, ttlSeconds: 5 };
      const { perSecond } = await issuances(each);
      const after = String((total / PARTS) * part).padStart(7);
      say(`  after ${after}: ${residentMiB(brokerPid).toFixed(0)} MiB resident, ${perSecond.toFixed(0)} per second`);
    }
    say('');
  },
};

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}
