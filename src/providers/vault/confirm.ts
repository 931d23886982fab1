import { ProviderError } from '../../domain/errors.ts';
import { parse, RenewAnswer } from './answers.ts';
import type { Vault } from './context.ts';
import { wrong } from './errors.ts';
import type { VaultHandle } from './handle.ts';
import { onceSeen } from './unseen.ts';
import { at } from './values.ts';

/** How far the answer's delay may move the end; the grant's own is the broker's to keep. */
const SLACK_MS = 1_000;
const TRIES = 3;

/**
 * From the first short life to the grant's end, now that the accessor is on record. Vault counts an extension from when it
 * does it: one whose answer took long is made once more, for what is left then, and that counts.
 */
export async function extend({ ask, clock }: Vault, handle: VaultHandle, signal: AbortSignal): Promise<void> {
  const { accessor, ends_at } = handle;
  const step = 'token_renew';
  const path = at`auth/token/renew-accessor`;
  const left = () => Date.parse(ends_at) - clock.now().getTime();
  for (let tries = 0; tries < TRIES; tries++) {
    const seconds = Math.floor(left() / 1000);
    // Vault takes no increment at all for its own default.
    if (seconds < 1) break;
    const body = { accessor, increment: `${seconds}s` };
    const reply = await onceSeen(() => ask({ step, method: 'POST', path, body }, signal), signal);
    const { lease_duration } = parse(RenewAnswer, reply, step).auth;
    if (lease_duration > seconds) throw wrong('ttl');
    if (lease_duration < seconds) {
      const facts = { finding: 'life_capped', seconds: lease_duration };
      throw new ProviderError('provider_refused', { nothingLives: false, facts });
    }
    if (lease_duration * 1000 <= left() + SLACK_MS) return;
  }
  throw new ProviderError('provider_timeout', { nothingLives: false, facts: { step } });
}
