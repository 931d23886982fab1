import type { JsonObject } from '../domain/json.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';
import { actorOf } from './orders.ts';

export interface ReadOfRecord {
  readonly what: string;
  readonly resource: string;
  readonly query: JsonObject;
  readonly count: number;
}

/** A read of the record by a person is on record itself, before its answer leaves. */
export async function recordRead(
  ledger: ExchangeContext['ledger'],
  caller: OperatorCaller,
  read: ReadOfRecord,
): Promise<void> {
  await ledger.evidence.recordRead({ actor: actorOf(caller), origin: caller.origin, ...read });
}
