import { hashesOf } from './audit/export-file.ts';
import type { ExportedArchive, ExportHeader } from './audit/export-file.ts';
import { CliError, EXIT } from './cli/exit.ts';
import type { OperatorVerbs } from './client/index.ts';

export type ExportPart =
  | { readonly events: readonly { readonly leaf: number; readonly body: string }[] }
  | { readonly archive: ExportedArchive };

const PAGE = 1_000;
/** A month may be put away while it is being read. */
const TRIES = 2;

/** Everything of a range from a leaf on, in order and without a gap: pages of events, and what was put away between them. */
export async function* exportParts(
  operator: OperatorVerbs,
  { end }: ExportHeader,
  from: number,
): AsyncGenerator<ExportPart> {
  let away = await archivesOf(operator, from, end);
  let tries = 0;
  for (let next = from; next < end;) {
    const archive = away.find(({ first }) => first === next);
    if (archive) {
      yield { archive };
      next = archive.end;
      continue;
    }
    const until = Math.min(end, ...away.filter(({ first }) => first > next).map(({ first }) => first));
    const { events } = await operator.events({}, { cursor: String(next), limit: Math.min(PAGE, until - next) });
    if (events.length > 0 && events.every(({ leaf }, at) => leaf === next + at)) {
      yield { events };
      next += events.length;
      tries = 0;
    } else if (++tries < TRIES) {
      away = await archivesOf(operator, next, end);
    } else {
      throw new CliError('unexpected_answer', `the events from leaf ${next} on are not those that were asked for`, {
        exit: EXIT.failed,
      });
    }
  }
}

/** What was put away of these leaves. */
export async function archivesOf(operator: OperatorVerbs, first: number, end: number): Promise<ExportedArchive[]> {
  const found: ExportedArchive[] = [];
  if (first === end) return found;
  for (const { month, sha256, ranges } of await operator.archives({ first, end })) {
    for (const range of ranges) {
      const hashes = hashesOf([...range.hashes]);
      if (!hashes) throw new CliError('unexpected_answer', 'the proof cannot be read', { exit: EXIT.failed });
      found.push({ month, sha256, first: range.first, end: range.end, hashes });
    }
  }
  return found.sort((one, other) => one.first - other.first);
}
