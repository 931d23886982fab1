import { setFlagsFromString } from 'node:v8';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { ProblemsError } from '../domain/problem.ts';
import { checkFile, duplicateIds, validate } from './check.ts';
import { makeDecideMany } from './decide-many.ts';
import { makeDecideSoon } from './decide-soon.ts';
import { makeDecide } from './decide.ts';
import { makePlaces } from './places.ts';
import type { DecisionPool } from './pool.ts';
import type { PolicySet } from './policy.ts';
import type { Tool } from '../domain/tool.ts';
import { generateSchema } from './schema.ts';
import { makeSliced } from './slices.ts';
import type { Sliced, Texts } from './slices.ts';
import { makeToolSet, toolFaults } from './tools/tool-set.ts';

/**
 * The generation that decides, the one before it for what is still under way, and one that is being tried out; each a
 * second time without what exceptions may set aside, once it is asked so.
 */
const PLACES = 6;
const SCHEMA_FILE = 'policies/schema.cedarschema';

export interface CedarCompiler {
  generateSchema: typeof generateSchema;
  toolFaults: typeof toolFaults;
  /** Compiles files of policies, by path, against a schema, and tools without faults. @throws ProblemsError with every problem. */
  compile(files: Readonly<Record<string, string>>, schema: string, tools?: readonly Tool[]): PolicySet;
}

/** One for a process, or a thread: it owns the places where Cedar keeps what it has parsed (places.ts). */
export function makeCedarCompiler(placeCount: number = PLACES, pool?: DecisionPool): CedarCompiler {
  // V8 of Node 20.20 aborts the process ("unreachable code" in Deoptimizer::DoComputeBuiltinContinuation) when it undoes an
  // optimisation in the middle of a call into WebAssembly that it has inlined. Seen after some 20,000 issuances.
  setFlagsFromString('--no-turbo-inline-js-wasm-calls');
  const places = {
    schemas: makePlaces<string, string>(placeCount, '', cedar.preparseSchema),
    sets: makePlaces<Sliced, Texts>(placeCount, {}, (name, texts) =>
      cedar.preparsePolicySet(name, { staticPolicies: { ...texts } }),
    ),
  };
  return {
    generateSchema,
    toolFaults,
    compile(files, schema, tools = []) {
      const checked = Object.entries(files).map(([file, text]) => checkFile(file, text));
      const policies = checked.flatMap((file) => file.policies);
      const problems = [
        ...checked.flatMap((file) => file.problems),
        ...duplicateIds(policies),
        ...validate(policies, schema, SCHEMA_FILE),
      ];
      if (problems.length > 0) throw new ProblemsError(problems);

      const all = makeSliced(policies);
      places.schemas.nameFor(schema, schema);
      places.sets.nameFor(all, all.whole);
      const firm = makeSliced(policies.filter(({ overridable }) => !overridable));
      const annotations = new Map(
        policies.map(({ file: _, source: __, resource: ___, ...annotated }) => [annotated.id, annotated]),
      );
      const decide = makeDecide({ all, firm, schema }, annotations, places);
      return {
        ids: [...annotations.keys()].sort(),
        overridable: policies.flatMap(({ id, overridable }) => (overridable ? [id] : [])).sort(),
        tools: makeToolSet(tools),
        decide: decide.one,
        decideAll: decide.all,
        decideSoon: makeDecideSoon(decide.all),
        decideMany: makeDecideMany(decide.one, pool, { files, schema }),
      };
    },
  };
}

/** The text of each policy of a file by its id, as far as they can be read: for showing what has changed. */
export function policyTexts(text: string): ReadonlyMap<string, string> {
  return new Map(checkFile('', text).policies.map(({ id, source }) => [id, source.text.trim()]));
}
