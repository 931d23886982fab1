import { ProviderError } from '../../domain/errors.ts';
import type { Health, HealthFinding, ProviderKind } from '../provider.ts';
import { troubleOf } from '../trouble.ts';
import { checkRole } from './check-roles.ts';
import { checkServer } from './check.ts';
import { removeRole } from './cleanup.ts';
import { PostgresConfig, PostgresSection, sectionProblems } from './config.ts';
import { endRole } from './end.ts';
import { findRole } from './find.ts';
import { finding, type FindingCode } from './findings.ts';
import { makeGate, makeGates } from '../gate.ts';
import { mintRole } from './mint.ts';
import { listMints } from './names.ts';
import { planRole, readRequest } from './plan.ts';
import { probePassword } from './probe.ts';
import { makeServer } from './server.ts';

/** A login of its own for each mint: a role that is a member of the profile's roles until its end. */
export const postgres: ProviderKind<PostgresConfig> = {
  kind: 'postgres',
  config: PostgresConfig,
  section: PostgresSection,
  sectionProblems,
  create(name, config, deps) {
    const { clock } = deps;
    const issuing = makeServer(config.url, config.pool_size);
    const ending = makeServer(config.url, config.pool_size);
    const { database } = issuing.address;
    const setUp = {
      acceptedDatabases: config.accepted_databases,
      clock,
      ledger: deps.ledger ?? (() => Promise.resolve(undefined)),
    };
    let asksForPassword = false;

    const inspectServer = async (signal: AbortSignal): Promise<readonly HealthFinding[]> => {
      const probed = asksForPassword ? [] : await probePassword(issuing, signal);
      asksForPassword = probed.length === 0;
      return [...probed, ...(await checkServer(issuing, setUp, signal))];
    };
    const inspectRole = (role: string, signal: AbortSignal) =>
      checkRole(issuing, config.accepted_creators, role, signal);
    const serverGate = makeGate(inspectServer, clock);
    const roleGate = makeGates(inspectRole, clock, (role) => role);

    return {
      name,
      kind: 'postgres',
      plan: (profile, parameters, mint) => planRole(database, profile, parameters, mint),
      async mint(plan, signal) {
        const { memberships } = readRequest(plan, database);
        for (const gate of [serverGate, ...memberships.map(({ role }) => roleGate(role))]) await gate(signal);
        return mintRole(issuing, plan, signal);
      },
      find: (mint, signal) => findRole(ending, clock, mint, signal),
      end: (mint, handle, _why, signal) => endRole(ending, clock, mint, handle, signal),
      cleanup: (mint, signal) => removeRole(ending, clock, mint, signal),
      names: (signal) => listMints(ending, signal),
      async check(signal, profiles = []) {
        const roles = new Set(profiles.flatMap((profile) => PostgresSection.parse(profile.section).roles));
        try {
          const findings = [...(await inspectServer(signal))];
          for (const role of roles) findings.push(...(await inspectRole(role, signal)));
          return healthOf(findings);
        } catch (error) {
          if (!(error instanceof ProviderError)) throw error;
          const { sqlstate } = error.facts;
          return healthOf([
            finding(troubleOf(error) satisfies FindingCode, typeof sqlstate === 'string' ? { sqlstate } : {}),
          ]);
        }
      },
      async close() {
        await Promise.all([issuing.close(), ending.close()]);
      },
    };
  },
};

function healthOf(findings: readonly HealthFinding[]): Health {
  return { healthy: findings.every(({ severity }) => severity !== 'error'), findings };
}
