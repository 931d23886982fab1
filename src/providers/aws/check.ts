import { GetCallerIdentityCommand, GetScopedCredentialsCommand } from '@aws-sdk/client-sts';
import { MAX_CLOCK_OFFSET_MS, type Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { Profile } from '../../domain/profile.ts';
import { isUnreadable } from '../encrypted.ts';
import type { HealthFinding } from '../provider.ts';
import { troubleOf } from '../trouble.ts';
import { ask, askDated } from './call.ts';
import type { TryRole } from './canary.ts';
import type { Clients } from './clients.ts';
import { accountOf, AwsSection, maxSessionOf, type AwsConfig } from './config.ts';
import { isNotImplemented, whyOf } from './errors.ts';
import { finding, type FindingCode } from './findings.ts';
import type { Known } from './known.ts';
import { denyAllPolicy } from './policy.ts';
import type { Account, Revocation } from './revocation.ts';

/** The server's date is in whole seconds. */
const DATE_MS = 1_000;

export interface SetUp {
  readonly config: AwsConfig;
  readonly clients: Clients;
  readonly known: Known;
  readonly revocation: Revocation;
  readonly tryRole: TryRole;
  readonly clock: Clock;
}

/** Never throws. What it finds out is remembered: plans go by it. */
export async function checkAws(
  setUp: SetUp,
  profiles: readonly Profile[],
  signal: AbortSignal,
): Promise<readonly HealthFinding[]> {
  const login = [...checkEndpoint(setUp.config), ...(await checkLogin(setUp, signal))];
  if (login.some(({ severity }) => severity === 'error')) return login;
  const scoped = await checkScoped(setUp, signal);
  // All at once: an account that does not answer takes all the time that there is.
  const { accounts } = setUp.revocation;
  const lists = new Map([...accounts].map(([name, account]) => [name, checkList(account, signal)]));
  const sections = profiles.map((profile) => ({ profile, section: AwsSection.parse(profile.section) }));
  // Of the profiles of one role, the one with the longest sessions.
  const byLength = sections.map(({ section }) => section).sort((a, b) => maxSessionOf(a) - maxSessionOf(b));
  const roles = new Map(byLength.map((section) => [section.role_arn, section]));
  const ofRoles = [...roles.values()].map(async (section) => {
    const list = (await lists.get(accountOf(section.role_arn))) ?? [];
    return checkRole(setUp, section, list.every(isHarmless), signal);
  });
  const ofProfiles = sections.map(({ profile, section }) => checkProfile(setUp, profile, section, signal));
  const found = await Promise.all([...lists.values(), ...ofRoles, ...ofProfiles]);
  return [...login, ...scoped, ...found.flat()];
}

function checkEndpoint({ endpoint }: AwsConfig): HealthFinding[] {
  return endpoint === undefined || isUnreadable(endpoint) ? [] : [finding('connection_not_encrypted')];
}

async function checkLogin({ clients, config, known, clock }: SetUp, signal: AbortSignal): Promise<HealthFinding[]> {
  try {
    const sts = clients.sts(config.region);
    const command = new GetCallerIdentityCommand({});
    const { answer, date } = await askDated({ signal }, command, (options) => sts.send(command, options));
    known.noteChained(answer.Arn?.includes(':assumed-role/') === true);
    const offset = date ? date.getTime() - clock.now().getTime() : 0;
    if (Math.abs(offset + DATE_MS / 2) <= MAX_CLOCK_OFFSET_MS + DATE_MS / 2) return [];
    return [finding('clock_differs', { seconds: (offset / 1000).toFixed(0) })];
  } catch (error) {
    const code = error instanceof ProviderError ? troubleOf(error) : 'provider_answer_wrong';
    return [finding(code satisfies FindingCode, { why: whyOf(error) })];
  }
}

/** Asked for as the broker itself: whatever is answered, other than that there is no such thing, shows that there is. */
async function checkScoped({ clients, config, known }: SetUp, signal: AbortSignal): Promise<HealthFinding[]> {
  if (config.scoped === 'off') return [];
  const command = new GetScopedCredentialsCommand({ DurationSeconds: 1, Policy: denyAllPolicy() });
  const offered = await ask(signal, command, (options) => clients.sts(config.region).send(command, options)).then(
    () => true,
    (error: unknown) => isOffered(error),
  );
  if (offered !== undefined) known.noteScoped(offered);
  return offered === false && config.scoped === 'on' ? [finding('scoped_unavailable')] : [];
}

/** `undefined`: it could not be found out. */
function isOffered(error: unknown): boolean | undefined {
  if (!(error instanceof ProviderError)) return undefined;
  const { finding: what } = error.facts;
  if (what === 'access_denied' || what === 'session_over') return true;
  return what === 'not_offered' || what === 'refused' || isNotImplemented(error) ? false : undefined;
}

async function checkList({ boundary }: Account, signal: AbortSignal): Promise<readonly HealthFinding[]> {
  const { boundary_arn: arn } = boundary.config;
  try {
    await boundary.keep(signal);
  } catch (error) {
    const what = error instanceof ProviderError ? error.facts['finding'] : undefined;
    if (what === 'boundary_not_ours' || what === 'boundary_of_another') return [finding(what, { boundary: arn })];
    return [finding('revoker_refused', { boundary: arn, why: whyOf(error) })];
  }
  const { left, collateral, probe } = boundary.trouble();
  return [
    ...(probe === undefined ? [] : [finding('probe_refused', { boundary: arn, why: probe })]),
    ...(left > 0 ? [finding('deny_list_full', { boundary: arn, count: String(left) })] : []),
    ...(collateral > 0 ? [finding('fence_in_place', { boundary: arn, count: String(collateral) })] : []),
  ];
}

/** What is issued while the list is full may find no room in it either. */
const isHarmless = ({ code }: HealthFinding) => code === 'fence_in_place' || code === 'probe_refused';

async function checkRole(
  { revocation, known }: SetUp,
  section: AwsSection,
  listWorks: boolean,
  signal: AbortSignal,
): Promise<readonly HealthFinding[]> {
  const { role_arn: role } = section;
  const account = revocation.accounts.get(accountOf(role));
  if (!account) return known.scoped() ? [] : [finding('no_boundary', { role })];
  const { boundary_arn: boundary } = account.boundary.config;
  try {
    const found = await account.findRole(role, signal);
    known.noteDeniable(role, listWorks && found.boundary === boundary);
    const seconds = found.maxSession;
    return [
      ...(found.boundary === boundary ? [] : [finding('boundary_not_attached', { role, boundary })]),
      ...(seconds !== undefined && seconds < maxSessionOf(section)
        ? [finding('session_longer_than_role', { role, seconds: String(seconds) })]
        : []),
    ];
  } catch (error) {
    known.noteDeniable(role, false);
    return [finding('role_not_readable', { role, why: whyOf(error) })];
  }
}

async function checkProfile(
  { known, tryRole }: SetUp,
  { name, ttl }: Profile,
  section: AwsSection,
  signal: AbortSignal,
): Promise<readonly HealthFinding[]> {
  const longest = known.longestSession(maxSessionOf(section));
  const tooLong = !known.scoped() && ttl.max > longest;
  return [
    ...(await tryRole(section, known.scoped(), signal)),
    ...(tooLong ? [finding('ttl_longer_than_session', { profile: name, seconds: String(longest) })] : []),
  ];
}
