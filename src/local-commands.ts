import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LocalCommands } from './cli/index.ts';
import type { Environment } from './config/index.ts';
import { StartError } from './start-error.ts';

export interface LocalDeps {
  readonly env: Environment;
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
}

/** Errors whose message is meant for a person. */
const SENTENCES: ReadonlySet<string> = new Set([
  'StartError',
  'EmbeddedError',
  'MigrationMismatch',
  'MigrationsUnknown',
]);

/** The mappings that come with Writ. */
const SHIPPED_CONTROLS = fileURLToPath(new URL('../config/controls', import.meta.url));

/** The commands that work without a server. Each loads what it needs when it is called: the others stay quick. */
export function makeLocalCommands({ env, print, printError }: LocalDeps): LocalCommands {
  /** What stands in the way of a start is a sentence, not a stack. */
  const orTell = async (work: Promise<number>): Promise<number> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof Error) || !SENTENCES.has(error.name)) throw error;
      const code = error instanceof StartError && error.code !== undefined ? `${error.code}: ` : '';
      printError(`writ: ${code}${error.message}`);
      return 1;
    }
  };
  return {
    async serve({ config }) {
      const { serve } = await import('./serve.ts');
      return orTell(serve({ config, env }));
    },

    async dev({ config, state, port }) {
      const { runEmbedded } = await import('./embedded.ts');
      return orTell(runEmbedded({ config, state, ...(port === undefined ? {} : { port }), env, say: print }));
    },

    async migrate(options) {
      const { runMigrate } = await import('./check-commands.ts');
      return orTell(runMigrate(options, env, print));
    },

    async check(options) {
      const { runCheck } = await import('./check-commands.ts');
      return runCheck(options, env, print, printError);
    },

    async identity({ id, state, ttl }) {
      const { readFile } = await import('node:fs/promises');
      const { openDevIssuer } = await import('./dev/issuer.ts');
      const { url } = JSON.parse(await readFile(join(state, 'dev.json'), 'utf8')) as { url: string };
      const issuer = await openDevIssuer(state);
      print(await issuer.identityToken(id, url, ttl));
      return 0;
    },

    async policyTest(options) {
      const { runPolicyTest } = await import('./policy-commands.ts');
      return runPolicyTest(options, env, print);
    },

    async policyExplain(options) {
      const { runPolicyExplain } = await import('./policy-commands.ts');
      return runPolicyExplain(options, env, print);
    },

    async archive(options) {
      const { runArchive } = await import('./archive-command.ts');
      return orTell(runArchive(options, print));
    },

    async checkArchive({ file }) {
      const { runArchiveCheck } = await import('./archive-command.ts');
      return runArchiveCheck(file, print);
    },

    async readFramework({ config, framework }) {
      const { readFramework } = await import('./config/index.ts');
      return readFramework(framework, [join(config, 'controls'), SHIPPED_CONTROLS]);
    },

    async auditVerify(options) {
      const { runAuditVerify } = await import('./audit-commands.ts');
      return runAuditVerify(options, env, print);
    },

    async auditExport(options) {
      const { runAuditExport } = await import('./audit-export.ts');
      return runAuditExport(options);
    },

    async replay(rules) {
      const { makeReplay } = await import('./policy-commands.ts');
      return makeReplay(rules, env);
    },

    async readRules({ config }) {
      const { readRules, readRulesPlace } = await import('./config/index.ts');
      const { rulesDirectory } = await readRulesPlace(config, env);
      return { files: await readRules(rulesDirectory) };
    },
  };
}
