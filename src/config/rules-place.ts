import { isAbsolute, join } from 'node:path';
import { isJsonObject } from '../domain/json.ts';
import { ProblemsError } from '../domain/problem.ts';
import type { Environment } from './environment.ts';
import { resolveEnvironment } from './environment.ts';
import { mapOf, providersOff } from './form.ts';
import type { ProviderName, SectionKind } from './profile.ts';
import type { RuleFiles } from './rule-files.ts';
import { readYaml } from './yaml.ts';
import { readSettingsYaml } from './settings-file.ts';

/** Where the rules lie and which providers there are: all of `writ.yaml` that work on rules needs. */
export interface RulesPlace {
  /** Relative where `directory` is: problems then name files as the caller wrote them. */
  readonly rulesDirectory: string;
  readonly providers: readonly ProviderName[];
}

/**
 * Reads only that, so that rules can be checked, tested and explained where no secret of the broker is set: a variable
 * that is not set, and anything else that `loadSettings` would report, does not matter here.
 * @throws ProblemsError when `writ.yaml` cannot be read as YAML.
 */
export async function readRulesPlace(directory: string, env: Environment): Promise<RulesPlace> {
  const yaml = await readSettingsYaml(directory);
  if (yaml.value === undefined) throw new ProblemsError(yaml.problems);
  const off = providersOff(yaml.value, env);
  const { value } = resolveEnvironment(yaml.value, env, () => false);
  const written = isJsonObject(value) ? value['rules'] : undefined;
  const rules = typeof written === 'string' ? written : '.';
  return {
    rulesDirectory: isAbsolute(rules) ? rules : join(directory, rules),
    providers: Object.entries(mapOf(value, 'providers')).flatMap(([name, entry]) => {
      const kind = isJsonObject(entry) ? entry['kind'] : undefined;
      return typeof kind === 'string' ? [{ name, kind, on: !off.has(name) }] : [];
    }),
  };
}

/**
 * The providers that profiles name, as far as their sections tell of which kind each is: for rules whose `writ.yaml` is elsewhere, such as
 * those of a generation that some broker runs.
 */
export function providersOf(files: RuleFiles, kinds: readonly SectionKind[]): ProviderName[] {
  const found = new Map<string, ProviderName>();
  for (const [file, text] of Object.entries(files)) {
    const value = file.startsWith('profiles/') ? readYaml(file, text).value : undefined;
    const name = isJsonObject(value) ? value['provider'] : undefined;
    const kind = kinds.find((known) => isJsonObject(value) && Object.hasOwn(value, known.kind))?.kind;
    if (typeof name === 'string' && kind !== undefined) found.set(name, { name, kind, on: true });
  }
  return [...found.values()];
}
