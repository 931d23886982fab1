import type { Clock } from '../../domain/clock.ts';
import { isUnreadable } from '../encrypted.ts';
import type { HealthFinding } from '../provider.ts';
import { HealthAnswer, parse, TokenAnswer } from './answers.ts';
import type { Client } from './client.ts';
import type { Answering } from './context.ts';
import { finding } from './findings.ts';
import type { Server } from './server.ts';
import { at } from './values.ts';

/** The server says its time in whole seconds. */
const CLOCK_SECONDS = 3;

export interface Health extends Answering {
  readonly findings: readonly HealthFinding[];
  /** Whether anything else can be asked. */
  readonly serving: boolean;
}

/** As anybody may ask. @throws ProviderError. */
export async function askHealth(client: Client, clock: Clock, signal: AbortSignal): Promise<Health> {
  const step = 'health';
  const call = { step, method: 'GET', path: at`sys/health`, everywhere: true } as const;
  const health = parse(HealthAnswer, await client(call, signal), step);
  const secondary = health.replication_dr_mode === 'secondary';
  const offset = health.server_time_utc - clock.now().getTime() / 1000;
  const findings: HealthFinding[] = [];
  if (!health.initialized) findings.push(finding('server_not_initialized'));
  else if (health.sealed) findings.push(finding('server_sealed'));
  else if (secondary) findings.push(finding('server_is_dr_secondary'));
  else if (health.standby) findings.push(finding('server_is_standby'));
  if (Math.abs(offset) > CLOCK_SECONDS) findings.push(finding('clock_differs', { seconds: offset.toFixed(0) }));
  return {
    findings,
    cluster: health.cluster_id,
    standby: health.standby,
    serving: health.initialized && !health.sealed && !secondary,
  };
}

/** The broker's own token. @throws ProviderError. */
export async function checkBroker(
  ask: Server,
  canLogIn: boolean,
  signal: AbortSignal,
): Promise<readonly HealthFinding[]> {
  const step = 'lookup_self';
  const reply = await ask({ step, method: 'GET', path: at`auth/token/lookup-self` }, signal);
  const token = parse(TokenAnswer, reply, step).data;
  const findings: HealthFinding[] = [];
  if (token.type === 'batch') findings.push(finding('broker_token_is_batch'));
  if (token.num_uses > 0) findings.push(finding('broker_token_counted'));
  if (token.policies.includes('root')) findings.push(finding('broker_is_root'));
  if (token.ttl === 0 && token.type !== 'batch') findings.push(finding('broker_token_never_ends'));
  else if (!canLogIn && token.renewable !== true)
    findings.push(finding('broker_token_ends', { seconds: `${token.ttl} s` }));
  return findings;
}

export function checkAddress(address: string): readonly HealthFinding[] {
  return isUnreadable(address) ? [] : [finding('connection_not_encrypted')];
}
