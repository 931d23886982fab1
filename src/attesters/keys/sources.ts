import { makeKeySetParser, type KeyUse } from './key-set.ts';
import type { KeyLocation } from './location.ts';
import { makeReader, type ReaderDeps } from './readers.ts';
import { makeKeySource, type KeySource, type SourceLimits } from './source.ts';

/** All key sources of the process: entries that name the same place share its keys, its cache and its one fetch. */
export interface KeySources {
  source(location: KeyLocation, use: KeyUse): KeySource;
  /** Reads every source once, so that the first caller does not wait. Failures show in `status`; never rejects. */
  load(now: Date): Promise<void>;
}

/** Five minutes is what SPIFFE advises where nothing is said (SPIFFE Trust Domain and Bundle §6.1). */
export const REMOTE_LIMITS: SourceLimits = {
  fresh: 300,
  floor: 30,
  ceiling: 3_600,
  retry: 5,
  unknownKey: 10,
  outage: 4 * 3_600,
};

/** A file is read again every two seconds in use: that is what "when changed" means, wherever it is mounted from. */
export const FILE_LIMITS: SourceLimits = { fresh: 2, floor: 2, ceiling: 2, retry: 1, unknownKey: 1, outage: 300 };

export function makeKeySources(deps: ReaderDeps): KeySources {
  const sources = new Map<string, KeySource>();
  return {
    source(location, use) {
      const place = JSON.stringify([use, Object.entries(location).sort()]);
      const known = sources.get(place);
      if (known) return known;
      const limits = 'file' in location ? FILE_LIMITS : REMOTE_LIMITS;
      const made = makeKeySource({ read: makeReader(location, deps), parse: makeKeySetParser(use), limits });
      sources.set(place, made);
      return made;
    },
    async load(now) {
      await Promise.allSettled([...sources.values()].map((source) => source.keys(now)));
    },
  };
}
