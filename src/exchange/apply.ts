import { Fault } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { actorOf } from './orders.ts';
import type { ExchangeContext, OperatorCaller } from './context.ts';

/** The files of a set of rules, by path. */
export type RuleFiles = Readonly<Record<string, string>>;

export interface RulesTools {
  /** Checks everything. @throws ProblemsError with every problem; nothing is changed then. */
  readonly compile: (files: RuleFiles) => { readonly hash: string; readonly text: string };
  readonly filesOf: (text: string) => RuleFiles;
  readonly difference: (before: RuleFiles | undefined, after: RuleFiles) => JsonObject;
}

export interface Applied {
  readonly number?: number;
  readonly hash: string;
  readonly difference: JsonObject;
  readonly activatedAt?: Date;
  readonly unchanged: boolean;
}

const ATTEMPTS = 3;

/** Checks rules and activates them for every replica at once, as an event with its author and its difference. */
export function makeApply({ ledger, rules }: Pick<ExchangeContext, 'ledger' | 'rules'>, tools: RulesTools) {
  return async function apply(caller: OperatorCaller, files: RuleFiles, dryRun: boolean): Promise<Applied> {
    const { hash, text } = tools.compile(files);
    for (let attempt = 1; ; attempt++) {
      const active = await ledger.generations.active();
      const difference = tools.difference(active && tools.filesOf(active.body), files);
      if (dryRun) return { hash, difference, unchanged: active?.hash === hash };
      try {
        const base = active?.number ?? null;
        const activated = await ledger.generations.activate({
          hash,
          body: text,
          author: actorOf(caller),
          difference,
          base,
          origin: caller.origin,
        });
        await rules.refresh();
        return { hash, difference, ...activated };
      } catch (error) {
        // Somebody else's generation came between the reading and the writing: the difference must be made anew.
        const raced = error instanceof Fault && error.code === 'generation_behind';
        if (!raced || attempt === ATTEMPTS) throw error;
      }
    }
  };
}
