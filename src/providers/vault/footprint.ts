import { ProviderError } from '../../domain/errors.ts';
import { certain } from './errors.ts';

/** What a mint may have left at the server so far. */
export interface Footprint {
  /** Writes, and says what a failure of it means. */
  write<T>(work: () => Promise<T>): Promise<T>;
  /** A failure of the mint, with `nothingLives` where nothing can have been left: then nobody clears away either. */
  judged(error: unknown): unknown;
}

export function makeFootprint(): Footprint {
  let left = false;
  return {
    async write(work) {
      try {
        const done = await work();
        left = true;
        return done;
      } catch (error) {
        left ||= !isRefusal(error);
        throw error;
      }
    },
    judged(error) {
      if (!(error instanceof ProviderError) || error.handle) return error;
      const { code, facts } = error;
      return left ? new ProviderError(code, { nothingLives: false, facts }) : certain(error);
    },
  };
}

/** The server, or the way to it, refused what was asked before it did any of it. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof ProviderError) || error.handle) return false;
  return error.nothingLives || error.code === 'provider_refused' || error.code === 'provider_throttled';
}
