import { ProviderError } from '../../domain/errors.ts';
import type { Profile } from '../../domain/profile.ts';
import { makeGate, makeGates } from '../gate.ts';
import { makeOwn, makePlanned, makeSectionOf } from '../own.ts';
import type { Health, HealthFinding, ProviderKind } from '../provider.ts';
import { AuthMounts, parse } from './answers.ts';
import { askHealth, checkAddress, checkBroker } from './check-server.ts';
import { checkNeed } from './check-need.ts';
import { clearAway } from './cleanup.ts';
import { makeClient } from './client.ts';
import { VaultConfig } from './config.ts';
import { extend } from './confirm.ts';
import type { Vault } from './context.ts';
import { endToken } from './end.ts';
import { refused } from './errors.ts';
import { findToken } from './find.ts';
import { finding, type FindingCode } from './findings.ts';
import { readHandle } from './handle.ts';
import { mintToken } from './mint.ts';
import { listMints } from './names.ts';
import { needOf, needOfPlan, type Need } from './need.ts';
import { makeOutliveCheck } from './outlive.ts';
import { isHere, planToken, readRequest, type Place } from './plan.ts';
import { sectionProblems, VaultSection } from './section.ts';
import { troubleOf } from '../trouble.ts';
import { makeServer } from './server.ts';
import { makeSession } from './session.ts';
import { makeStanding } from './standing.ts';
import { at } from './values.ts';
import { makeWire } from './wire.ts';

/** Tokens of Vault or OpenBao, and the dynamic secrets that are read with them. */
export const vault: ProviderKind<VaultConfig> = {
  kind: 'vault',
  config: VaultConfig,
  section: VaultSection,
  sectionProblems,
  create(name, config, { clock, readFile }) {
    const { address, namespace } = config;
    const place: Place = { address, namespace, allowPolicyTemplates: config.allow_policy_templates };
    const planning = { place, sectionOf: makeSectionOf(VaultSection) };
    const planned = makePlanned(readRequest);
    const handles = makeOwn(readHandle);
    const wire = makeWire();
    const client = makeClient(place, wire);
    const session = makeSession({ auth: config.auth, caFile: config.ca_file, client, wire, clock, readFile });
    const ask = makeServer(client, session);

    const standing = makeStanding(async (signal) => {
      await session.trusting();
      return askHealth(client, clock, signal);
    }, clock);
    const self: Vault = {
      place,
      ask,
      clock,
      serverNow: standing.now,
      standbyLately: standing.standbyLately,
      clusterLately: async (signal) => standing.cluster() ?? (await standing.health(signal)).cluster,
      tokenMount: makeTokenMount(ask, standing.cluster),
    };

    const inspectServer = async (signal: AbortSignal): Promise<readonly HealthFinding[]> => {
      const { findings, serving } = await standing.health(signal);
      const broker = serving ? await checkBroker(ask, session.canLogIn, signal) : [];
      return [...checkAddress(address), ...findings, ...broker];
    };
    const inspectNeed = (need: Need, signal: AbortSignal) => checkNeed(ask, need, signal);
    const serverGate = makeGate(inspectServer, clock);
    const needGate = makeGates(inspectNeed, clock, (need: Need) => JSON.stringify(need));
    const mayOutlive = makeOutliveCheck(ask, clock);
    // Where profiles are known to have no entities none are listed: a call that is refused every ten minutes alarms somebody.
    let entities: boolean | undefined;
    let listTooLong = false;

    return {
      name,
      kind: 'vault',
      ...(config.max_ttl !== undefined && { maxTtlSeconds: config.max_ttl }),
      plan: (profile, parameters, mint) => planned.note(planToken(planning, profile, parameters, mint)),
      async mint(plan, signal) {
        const request = planned.read(plan);
        if (!isHere(place, request)) throw refused('plan_of_another_set_up');
        if (request.entity) entities = true;
        for (const gate of [serverGate, needGate(needOfPlan(request))]) await gate(signal);
        const minted = await mintToken(self, mayOutlive, request, signal);
        handles.note(minted.handle, minted.handle);
        return minted;
      },
      confirm: async (handle, signal) => extend(self, handles.read(handle), signal),
      find: async (mint, signal) => findToken(self, mint, signal),
      end: async (mint, handle, _why, signal) => endToken(self, mint, readHandle(handle), signal),
      cleanup: async (mint, signal) => clearAway(self, mint, signal),
      async names(signal) {
        const listed = entities === false ? [] : await listMints(self, signal);
        listTooLong = listed === 'too_long';
        return listed === 'too_long' ? [] : listed;
      },
      upkeep: () => session.keep(),
      async check(signal, profiles = []) {
        const findings: HealthFinding[] = [];
        if (profiles.length > 0) entities ||= profiles.some(hasEntity);
        try {
          findings.push(...(await inspectServer(signal)));
          if (!isHealthy(findings)) return healthOf(findings);
          if (listTooLong) findings.push(finding('strays_unseen', { path: at`identity/entity/name`, size: '4 MiB' }));
          for (const profile of profiles) {
            if (VaultSection.parse(profile.section).policy_template !== undefined && !place.allowPolicyTemplates)
              findings.push(finding('policy_templates_off', { profile: profile.name }));
            findings.push(...(await inspectNeed(needOf(profile, config.max_ttl), signal)));
          }
          return healthOf(findings);
        } catch (error) {
          if (!(error instanceof ProviderError)) throw error;
          return healthOf([...findings, finding(troubleOf(error) satisfies FindingCode, { why: whyOf(error) })]);
        }
      },
      close: () => session.close(),
    };
  },
};

/** A mount keeps its accessor for as long as its cluster lives. */
function makeTokenMount(ask: Vault['ask'], cluster: () => string | undefined): Vault['tokenMount'] {
  let known: { readonly on: string | undefined; readonly accessor: string } | undefined;
  return async (signal) => {
    if (known && known.on === cluster()) return known.accessor;
    const step = 'auth_mounts';
    const reply = await ask({ step, method: 'GET', path: at`sys/auth` }, signal);
    const accessor = parse(AuthMounts, reply, step).data['token/']?.accessor;
    if (accessor === undefined)
      throw new ProviderError('provider_answer_wrong', { nothingLives: true, facts: { step } });
    known = { on: cluster(), accessor };
    return accessor;
  };
}

const hasEntity = ({ section }: Profile) => VaultSection.parse(section).entity !== undefined;

function whyOf({ facts }: ProviderError): string {
  const { finding: why, vault_status: status } = facts;
  return typeof why === 'string' ? why : typeof status === 'number' ? `status ${status}` : 'no reason given';
}

function isHealthy(findings: readonly HealthFinding[]): boolean {
  return findings.every(({ severity }) => severity !== 'error');
}

/** Each finding once: profiles share roles. */
function healthOf(findings: readonly HealthFinding[]): Health {
  const once = [...new Map(findings.map((each) => [each.code + each.message, each])).values()];
  return { healthy: isHealthy(once), findings: once };
}
