import { compileRules, diffRules, parseRulesText } from './config/index.ts';
import type { PolicyCompiler, ProviderName, RuleFiles } from './config/index.ts';
import type { RulesTools } from './exchange/apply.ts';
import type { RuleSet } from './exchange/rules.ts';
import type { DecisionPool, PolicySet } from './policy/index.ts';
import { makeCedarCompiler, policyTexts } from './policy/index.ts';
import { providerKinds } from './providers/index.ts';

/** How this process compiles rules: with its own providers, its provider kinds, and Cedar. */
export function makeRulesTools(providers: readonly ProviderName[], pool?: DecisionPool) {
  const policyCompiler: PolicyCompiler<PolicySet> = makeCedarCompiler(undefined, pool);
  const compile = (files: RuleFiles) => compileRules(files, { providers, providerKinds, policyCompiler });
  return {
    compile,
    /** A generation's text, as the ledger keeps it: checked when it was applied, by this version or its neighbour. */
    compileText: (text: string): RuleSet =>
      compileRules(parseRulesText(text), { providers, providerKinds, policyCompiler, applied: true }),
    apply: {
      compile,
      filesOf: parseRulesText,
      difference: (before, after) => ({ ...diffRules(before, after, policyTexts) }),
    } satisfies RulesTools,
  };
}
