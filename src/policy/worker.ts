/** A thread that decides: it has Cedar to itself, whose parsed policies belong to the thread that parsed them. Started by pool.ts. */
import { parentPort } from 'node:worker_threads';
import { makeCedarCompiler } from './compile.ts';
import type { PolicyRequest, PolicySet } from './policy.ts';

/** What the thread is told. `requests` and `answers` are JSON: a list of what policies are asked, and one of what they answered. */
export type ToWorker =
  | { readonly load: number; readonly files: Readonly<Record<string, string>>; readonly schema: string }
  | { readonly job: number; readonly set: number; readonly requests: string };
export type FromWorker =
  | { readonly loaded: number; readonly dropped: readonly number[] }
  | { readonly job: number; readonly answers?: string };

/** As many as the compiler keeps parsed. */
const MAX_SETS = 3;

const compiler = makeCedarCompiler();
const sets = new Map<number, PolicySet>();

function handle(told: ToWorker): FromWorker {
  if ('load' in told) {
    sets.set(told.load, compiler.compile(told.files, told.schema));
    const dropped = [...sets.keys()].slice(0, -MAX_SETS);
    for (const old of dropped) sets.delete(old);
    return { loaded: told.load, dropped };
  }
  const set = sets.get(told.set);
  if (!set) return { job: told.job };
  const requests = JSON.parse(told.requests) as PolicyRequest[];
  return { job: told.job, answers: JSON.stringify(set.decideAll(requests)) };
}

parentPort?.on('message', (told: ToWorker) => parentPort?.postMessage(handle(told)));
