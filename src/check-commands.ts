import { randomBytes } from 'node:crypto';
import { attesterKinds } from './attesters/index.ts';
import { operatorTrustSchema } from './attesters/operators.ts';
import { freshSchema, inDirectory, loadSettings, readRulesPlace, scanRules, writeSchema } from './config/index.ts';
import type { Environment, Overlay } from './config/index.ts';
import { DEV_VARIABLES, devOverlay } from './dev/overlay.ts';
import { formatProblem, ProblemsError } from './domain/problem.ts';
import type { Problem } from './domain/problem.ts';
import { migrate, SCHEMA_RANGE } from './ledger/migrate.ts';
import { migrationsDirectory } from './migrations.ts';
import { makeCedarCompiler } from './policy/index.ts';
import { providerKinds } from './providers/index.ts';
import { makeRulesTools } from './rules-tools.ts';
import { mustFit } from './schema-fit.ts';
import { StartError } from './start-error.ts';

type Print = (line: string) => void;

/** `writ migrate`: names what was applied. @throws StartError, MigrationMismatch, MigrationsUnknown. */
export async function runMigrate(
  options: { readonly config: string } | { readonly url: string },
  env: Environment,
  print: Print,
): Promise<number> {
  const url = 'url' in options ? options.url : await databaseUrl(options.config, env);
  const names = await migrate(url, migrationsDirectory);
  for (const name of names) print(`applied ${name}`);
  const newest = await mustFit(url);
  if (newest > SCHEMA_RANGE.newest) print(`the ledger is ahead of this version, which works with it: ${newest}`);
  else print(names.length === 0 ? 'the ledger is up to date' : 'the ledger is up to date now');
  return 0;
}

async function databaseUrl(directory: string, env: Environment): Promise<string> {
  if (env['DATABASE_URL']) return env['DATABASE_URL'];
  const settings = await loadSettings({ directory, env, attesterKinds, providerKinds, operatorTrustSchema });
  const url = settings.database.url?.reveal();
  if (url === undefined) throw new StartError('which database? Set DATABASE_URL, or database.url of the configuration');
  return url;
}

/**
 * `writ check`: every problem of `writ.yaml`, the profiles and the policies. Where DATABASE_URL is not set the configuration is held
 * against what the embedded default would add, and that is said: a clone can be checked without any secret.
 */
export async function runCheck(
  {
    config,
    json,
    writeSchema: refresh,
  }: { readonly config: string; readonly json: boolean; readonly writeSchema: boolean },
  env: Environment,
  print: Print,
  note: Print,
): Promise<number> {
  const place = await readRulesPlace(config, env);
  const policyCompiler = makeCedarCompiler();
  if (refresh) {
    const { files } = await scanRules(place.rulesDirectory);
    const deps = { providers: place.providers, providerKinds, policyCompiler };
    await writeSchema(place.rulesDirectory, freshSchema(files, deps));
  }
  const embedded = (env['DATABASE_URL'] ?? '') === '';
  if (embedded) note(`checked as the embedded default would run it: ${DEV_VARIABLES.join(', ')} are its own`);
  const overlay = embedded ? { overlay: placeholders(env) } : {};
  const kinds = { attesterKinds, providerKinds, operatorTrustSchema };
  const rules = await scanRules(place.rulesDirectory);
  const problems = [
    ...(await problemsOf(() => loadSettings({ directory: config, env, ...kinds, ...overlay }))),
    ...inDirectory(
      [...rules.problems, ...(await problemsOf(() => makeRulesTools(place.providers).compile(rules.files)))],
      place.rulesDirectory,
    ),
  ];
  if (json) print(JSON.stringify({ ok: problems.length === 0, problems }));
  else if (problems.length === 0) print(`${config}: no problems`);
  else for (const problem of problems) print(formatProblem(problem));
  return problems.length === 0 ? 0 : 1;
}

async function problemsOf(work: () => unknown): Promise<readonly Problem[]> {
  try {
    await work();
    return [];
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems;
    throw error;
  }
}

/** Values of the right form for the variables that the embedded default sets by itself. */
export function placeholders(env: Environment): Overlay {
  const url = 'postgres://nobody@127.0.0.1:5432/embedded';
  const values = { DATABASE_URL: url, ORDERS_DB_URL: url, WRIT_KEK: randomBytes(32).toString('base64') };
  const missing = Object.entries(values).filter(([name]) => (env[name] ?? '') === '');
  return devOverlay(
    { bundleFile: 'dev-bundle.json', operatorsFile: 'dev-operators.json' },
    Object.fromEntries(missing),
  );
}
