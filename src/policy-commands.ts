import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { attesterKinds } from './attesters/index.ts';
import { operatorTrustSchema } from './attesters/operators.ts';
import { placeholders } from './check-commands.ts';
import {
  compileRules,
  loadSettings,
  parseQuestion,
  providersOf,
  readCases,
  readRules,
  readRulesPlace,
} from './config/index.ts';
import type { Environment, RuleFiles } from './config/index.ts';
import { Fault, ProviderError } from './domain/errors.ts';
import { makeIds } from './domain/ids.ts';
import type { Json, JsonObject } from './domain/json.ts';
import { formatProblem, ProblemsError } from './domain/problem.ts';
import { explanationLines } from './explanation-lines.ts';
import { revocabilityBody } from './http/representations.ts';
import { caseProblems, explain, explanationJson, makeCedarCompiler, replay, testPolicies } from './policy/index.ts';
import type { Explanation, RecordedDecision, Replayed } from './policy/index.ts';
import { buildProviders } from './provider-list.ts';
import { providerKinds } from './providers/index.ts';
import { makeRulesTools } from './rules-tools.ts';

type Print = (line: string) => void;

/** `writ policy test`: 0 when every case answers as it should. @throws ProblemsError. */
export async function runPolicyTest(
  { directory, config, json }: { readonly directory?: string; readonly config: string; readonly json: boolean },
  env: Environment,
  print: Print,
): Promise<number> {
  const { rules, rulesDirectory } = await compiledRules(config, env);
  const results = testPolicies(rules, await readCases(directory ?? join(rulesDirectory, 'cases')), new Date());
  const problems = caseProblems(results);
  const passed = results.filter((result) => result.passed).length;
  if (json) {
    const cases = results.map((result) => ({
      name: result.case.name,
      passed: result.passed,
      differences: result.differences,
    }));
    print(JSON.stringify({ passed, failed: results.length - passed, cases }));
  } else {
    for (const result of results) print(`${result.passed ? 'ok  ' : 'FAIL'} ${result.case.name}`);
    for (const problem of problems) print(formatProblem(problem));
    print(`${passed} of ${results.length} cases answer as they should`);
  }
  return passed === results.length ? 0 : 1;
}

/** `writ policy explain`: what would be decided, by what, and what the provider would be asked. @throws ProblemsError. */
export async function runPolicyExplain(
  { file, config, json }: { readonly file: string; readonly config: string; readonly json: boolean },
  env: Environment,
  print: Print,
): Promise<number> {
  const { rules } = await compiledRules(config, env);
  const question = parseQuestion(await readJson(file), file);
  const now = question.now === undefined ? new Date() : new Date(question.now);
  const explanation = explain(rules, question, now);
  const plan = await planOf(explanation, question.principal, now, config, env);
  const body = { ...explanationJson(explanation), ...(plan ? { plan } : {}) };
  if (json) print(JSON.stringify(body));
  else explanationLines(body).forEach(print);
  return 0;
}

/** What `writ policy replay` holds recorded decisions against. @throws ProblemsError. */
export async function makeReplay(
  rules: { readonly config: string } | { readonly files: RuleFiles },
  env: Environment,
): Promise<(recorded: RecordedDecision) => Replayed> {
  if ('config' in rules) {
    const compiled = await compiledRules(rules.config, env);
    return (recorded) => replay(compiled.rules, recorded);
  }
  const providers = providersOf(rules.files, providerKinds);
  const compiled = compileRules(rules.files, {
    providers,
    providerKinds,
    policyCompiler: makeCedarCompiler(),
    applied: true,
  });
  return (recorded) => replay(compiled, recorded);
}

async function compiledRules(config: string, env: Environment) {
  const { providers, rulesDirectory } = await readRulesPlace(config, env);
  return { rules: makeRulesTools(providers).compile(await readRules(rulesDirectory)), rulesDirectory };
}

async function readJson(file: string): Promise<Json> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Json;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const message = code === undefined ? 'is not JSON' : `cannot be read (${code})`;
    throw new ProblemsError([{ file, line: 0, message }]);
  }
}

/** The plan is pure data: nothing is asked of anybody. Without the provider's settings there is none. */
async function planOf(
  { granted, ttl }: Explanation,
  subject: { readonly trust: string; readonly id: string },
  now: Date,
  directory: string,
  env: Environment,
): Promise<JsonObject | undefined> {
  if (!granted || !ttl) return undefined;
  const overlay = placeholders(env);
  const settings = await loadSettings({
    directory,
    env,
    attesterKinds,
    providerKinds,
    operatorTrustSchema,
    overlay,
  }).catch(() => undefined);
  if (!settings) return undefined;
  const clock = { now: () => now, offsetMs: () => 0 };
  const providers = buildProviders(settings, {
    clock,
    issuer: settings.server.publicUrl ?? `http://${settings.server.host}:${settings.server.port}`,
    introspectingAudiences: new Set(
      settings.clients.flatMap((client) => (client.may.includes('introspect') ? client.audiences : [])),
    ),
    reservedAudiences: new Set(),
    signer: { sign: () => Promise.reject(new Fault('keys_unavailable')) },
    readFile: (path) => readFile(resolve(directory, path), 'utf8'),
  });
  try {
    const ids = makeIds(
      (bytes) => new Uint8Array(bytes),
      () => 0,
    );
    const mint = {
      mint: ids.mint(),
      grant: ids.grant(),
      task: ids.task(),
      subject,
      now,
      endsAt: ttl.endsAt,
    };
    const plan = providers.get(granted.profile.provider)?.plan(granted.profile, granted.parameters, mint);
    return (
      plan && {
        request: plan.request,
        ends_at: plan.endsAt.toISOString(),
        revocability: revocabilityBody(plan.revocability),
      }
    );
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return { refused: error.code, ...error.facts };
  } finally {
    await Promise.all([...providers.values()].map((provider) => provider.close()));
  }
}
