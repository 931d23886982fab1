/** A sealer in a process of its own, to be killed at any point; says on stdout what it has sealed. argv: a database's URL, with the broker's rights. */
import { setTimeout as sleep } from 'node:timers/promises';
import { makeSealer } from '../../src/audit/sealer.ts';
import { makeLedger } from '../../src/ledger/index.ts';

const ledger = makeLedger({ url: process.argv[2] ?? '', poolSize: 2 });
const seal = makeSealer(ledger.sealing);
for (;;) {
  const step = await seal(false).catch(() => undefined); // cut by the test
  const more = step?.more ?? false;
  if (step && step.sealed > 0) process.stdout.write(`${step.sealed}\n`);
  if (!more) await sleep(5);
}
