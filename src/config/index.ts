/** Configuration: `writ.yaml`, the rules and the cases of policies are read here, and nowhere else. */
export { parseQuestion, readCases } from './cases.ts';
export { controlEntry, frameworkFile, listFrameworks, readFramework } from './controls.ts';
export { diffRules } from './diff.ts';
export type { PoliciesOf, RulesDiff } from './diff.ts';
export type { EntryKind } from './entries.ts';
export type { Environment } from './environment.ts';
export { isLoopback } from './fields.ts';
export { loadSettings } from './load-settings.ts';
export type { SettingsSource } from './load-settings.ts';
export { summariseProfile } from './profile-summary.ts';
export type { ProfileSummary } from './profile-summary.ts';
export type { ProviderName, SectionKind } from './profile.ts';
export { readRules, scanRules } from './read-rules.ts';
export {
  SCHEMA_FILE,
  checkRuleFiles,
  filesOf,
  inDirectory,
  parseRulesText,
  policyFiles,
  rulesHash,
  rulesText,
} from './rule-files.ts';
export type { RuleFiles } from './rule-files.ts';
export { providersOf, readRulesPlace } from './rules-place.ts';
export type { RulesPlace } from './rules-place.ts';
export { compileRules, freshSchema, writeSchema } from './rules.ts';
export type { PolicyCompiler, Rules, RulesDeps } from './rules.ts';
export { listenUrl } from './settings-checks.ts';
export type * from './settings.ts';
export { watchRules } from './watch.ts';
export type { RulesWatch } from './watch.ts';
