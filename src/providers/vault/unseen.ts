import { ProviderError } from '../../domain/errors.ts';
import { pause } from '../within.ts';

/** A standby may not have seen yet what it has just handed on the making of: the same again soon, so many times. */
const PAUSES_MS = [10, 40, 150, 450];
/** Of what is not there, and of what is not there yet. */
const UNKNOWN: readonly unknown[] = [400, 403, 404];

/** Whether it is gone for whoever is asked, which may be a standby that has not seen the end of it yet. */
export async function onceGone(look: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  for (const ms of PAUSES_MS) {
    if (await look()) return true;
    await pause(ms, signal);
  }
  return look();
}

/** @throws ProviderError: the last one, where it is still not seen; any other at once. */
export async function onceSeen<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const ms of PAUSES_MS) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ProviderError && UNKNOWN.includes(error.facts['vault_status']))) throw error;
    }
    await pause(ms, signal);
  }
  return attempt();
}
