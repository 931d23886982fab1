import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemsError } from '../domain/problem.ts';
import type { Problem } from '../domain/problem.ts';
import type { Profile } from '../domain/profile.ts';
import type { Tool } from '../domain/tool.ts';
import { readProfile } from './profile.ts';
import type { ProviderName, SectionKind } from './profile.ts';
import { SCHEMA_FILE, checkRuleFiles, policyFiles, rulesHash, rulesText } from './rule-files.ts';
import type { RuleFiles } from './rule-files.ts';
import type { ToolFaults } from './tool.ts';
import { readTools } from './tools.ts';

/** One generation, ready to decide. */
export interface Rules<Policies> {
  /** SHA-256 of `text`, in hex: the same on every replica, whatever its providers are. */
  readonly hash: string;
  /** The canonical JSON of `{ files: { path: content } }`. */
  readonly text: string;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly policies: Policies;
  /** Names of this process's providers that are off; their profiles are refused as `profile_off`. */
  readonly off: ReadonlySet<string>;
}

/** What the rules need of the policy language. */
export interface PolicyCompiler<Policies> {
  /** The text of `policies/schema.cedarschema` for these profiles and tools. */
  generateSchema(profiles: Iterable<Profile>, tools: readonly Tool[]): string;
  /** What is wrong with a tool's schema and expressions. */
  toolFaults: ToolFaults;
  /** Policies by path, and tools without faults. @throws ProblemsError with every problem. */
  compile(files: Readonly<Record<string, string>>, schema: string, tools: readonly Tool[]): Policies;
}

export interface RulesDeps<Policies> {
  readonly providers: readonly ProviderName[];
  readonly providerKinds: readonly SectionKind[];
  readonly policyCompiler: PolicyCompiler<Policies>;
  /** A generation that another version of Writ has checked: its schema file need not be what this version would write. */
  readonly applied?: boolean;
}

/**
 * Compiles a generation. @throws ProblemsError with every problem of every file.
 *
 * Policies are held against the schema that follows from the profiles and tools. While one of them has a problem there is none,
 * and the schema file stands in, so that its problem is not reported again by each policy that uses its parameters.
 */
export function compileRules<Policies>(files: RuleFiles, deps: RulesDeps<Policies>): Rules<Policies> {
  const { profiles, tools, problems } = readOffer(files, deps);
  const problemsOfSet = checkRuleFiles(files);
  const written = files[SCHEMA_FILE];
  const generated = deps.policyCompiler.generateSchema(profiles.values(), tools);
  const drift = problems.length === 0 && deps.applied !== true ? schemaDrift(written, generated) : [];
  const schema = problems.length === 0 ? generated : (written ?? generated);
  const compiled = attempt(() => deps.policyCompiler.compile(Object.fromEntries(policyFiles(files)), schema, tools));

  const found = [...problemsOfSet, ...problems, ...drift, ...('problems' in compiled ? compiled.problems : [])];
  if ('problems' in compiled || found.length > 0) throw new ProblemsError(inFileOrder(found));
  const text = rulesText(files);
  const off = new Set(deps.providers.filter(({ on }) => !on).map(({ name }) => name));
  return { hash: rulesHash(text), text, profiles, policies: compiled.value, off };
}

/** What `policies/schema.cedarschema` should say. @throws ProblemsError while a profile or a tool has a problem. */
export function freshSchema<Policies>(files: RuleFiles, deps: RulesDeps<Policies>): string {
  const { profiles, tools, problems } = readOffer(files, deps);
  if (problems.length > 0) throw new ProblemsError(problems);
  return deps.policyCompiler.generateSchema(profiles.values(), tools);
}

/** Replaces `policies/schema.cedarschema` at once. */
export async function writeSchema(rulesDirectory: string, schema: string): Promise<void> {
  const file = join(rulesDirectory, SCHEMA_FILE);
  const draft = join(rulesDirectory, 'policies', '.schema.cedarschema.new');
  await writeFile(draft, schema);
  await rename(draft, file);
}

/** Profiles and tools: what policies are about. */
function readOffer<Policies>(files: RuleFiles, deps: RulesDeps<Policies>) {
  const { profiles, problems } = readProfiles(files, deps);
  const known = problems.length === 0 ? new Set(profiles.keys()) : undefined;
  const { tools, problems: others } = readTools(files, deps.policyCompiler.toolFaults, known);
  return { profiles, tools, problems: [...problems, ...others] };
}

function readProfiles<Policies>(files: RuleFiles, { providers, providerKinds }: RulesDeps<Policies>) {
  const profiles = new Map<string, Profile>();
  const problems: Problem[] = [];
  for (const [file, text] of Object.entries(files)) {
    if (!file.startsWith('profiles/')) continue;
    const read = readProfile(file, text, providers, providerKinds);
    problems.push(...read.problems);
    if (read.profile) profiles.set(read.profile.name, read.profile);
  }
  return { profiles, problems };
}

function schemaDrift(written: string | undefined, generated: string): Problem[] {
  const hint = '`writ check --write-schema` writes what follows from the profiles and tools';
  if (written === undefined) return [{ file: SCHEMA_FILE, line: 0, message: `is missing; ${hint}` }];
  if (written === generated) return [];
  const lines = generated.split('\n');
  const line = written.split('\n').findIndex((text, index) => text !== lines[index]);
  return [
    {
      file: SCHEMA_FILE,
      line: line < 0 ? lines.length : line + 1,
      message: `has drifted from the profiles and tools; ${hint}`,
    },
  ];
}

function attempt<T>(run: () => T): { readonly value: T } | { readonly problems: readonly Problem[] } {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof ProblemsError) return { problems: error.problems };
    throw error;
  }
}

const inFileOrder = (problems: readonly Problem[]) =>
  [...problems].sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
