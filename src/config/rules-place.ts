import { isAbsolute, join } from 'node:path';
import { isJsonObject } from '../domain/json.ts';
import { ProblemsError } from '../domain/problem.ts';
import type { Environment } from './environment.ts';
import { resolveEnvironment } from './environment.ts';
import { mapOf, providersOff } from './form.ts';
import type { ProviderName } from './profile.ts';
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
