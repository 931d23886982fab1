import { makePlanned, makeSectionOf } from '../own.ts';
import type { Provider, ProviderKind } from '../provider.ts';
import { AwsConfig, AwsSection } from './config.ts';
import { makeKnown } from './known.ts';
import { LONGEST_CHAINED, LONGEST_SESSION } from './limits.ts';
import { planSession, readPlan } from './plan.ts';
import type { Runtime } from './runtime.ts';
import { sectionProblems } from './section-problems.ts';

/** The longest that any grant lives: where credentials are children, no session has to last for it. */
const LONGEST_GRANT = 30 * 86_400;

/** Sessions of roles, narrowed to the task; short where AWS lets them be, and denied in the roles' boundary when they are revoked. */
export const aws: ProviderKind<AwsConfig> = {
  kind: 'aws',
  config: AwsConfig,
  section: AwsSection,
  sectionProblems,
  create(name, config, deps): Provider {
    const known = makeKnown(config);
    const planning = { config, known, sectionOf: makeSectionOf(AwsSection) };
    const planned = makePlanned(readPlan);
    let loading: Promise<Runtime> | undefined;
    const runtime = () =>
      (loading ??= import('./runtime.ts').then(({ makeRuntime }) =>
        makeRuntime(name, config, deps, { known, planned }),
      ));
    return {
      name,
      kind: 'aws',
      get maxTtlSeconds() {
        if (known.scoped()) return LONGEST_GRANT;
        return known.chained() ? LONGEST_CHAINED : LONGEST_SESSION;
      },
      plan: (profile, parameters, mint) => planned.note(planSession(planning, profile, parameters, mint)),
      mint: async (plan, signal) => (await runtime()).mint(plan, signal),
      mintWhen: async (recorded, plan, signal) => (await runtime()).mintWhen(recorded, plan, signal),
      find: async (mint, signal) => (await runtime()).find(mint, signal),
      end: async (mint, handle, why, signal) => (await runtime()).end(mint, handle, why, signal),
      upkeep: async (signal) => (await runtime()).upkeep(signal),
      async check(signal, profiles = []) {
        const findings = await (await runtime()).check(signal, profiles);
        return { healthy: findings.every(({ severity }) => severity !== 'error'), findings };
      },
      async close() {
        (await loading)?.close();
      },
    };
  },
};
