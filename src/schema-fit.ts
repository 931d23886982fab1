import { SCHEMA_RANGE } from './ledger/migrate.ts';
import { readSchema } from './ledger/schema.ts';
import type { SchemaFit, SchemaRange } from './ledger/schema.ts';
import { StartError } from './start-error.ts';

/**
 * Two neighbouring versions run at once; a schema that this one does not work with is refused. Answers the newest migration.
 * @throws StartError.
 */
export async function mustFit(databaseUrl: string, range: SchemaRange = SCHEMA_RANGE): Promise<string> {
  const fit = await readSchema(databaseUrl, range).catch((cause: unknown) => {
    const code = (cause as { code?: unknown }).code;
    throw new StartError(`the ledger cannot be reached (${typeof code === 'string' ? code : 'no code'})`, { cause });
  });
  if (fit.newest === undefined || fit.unfit !== undefined) throw new StartError(sentenceOf(fit, range));
  return fit.newest;
}

function sentenceOf({ newest, unfit, because }: SchemaFit, { newest: known }: SchemaRange): string {
  if (newest === undefined) return 'the ledger has no schema yet: run `writ migrate` first';
  if (unfit === 'older') return `the ledger's schema is too old (${newest}): run \`writ migrate\` first`;
  const silent = `${because ?? newest} does not say that it leaves a version working that knows it up to ${known}`;
  return `the ledger's schema is newer than this version knows (${newest}), and ${silent}: start a newer version`;
}
