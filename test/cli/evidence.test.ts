import { evidenceLines } from '../../src/cli/evidence/lines.ts';
import { evidencePage } from '../../src/cli/evidence/page.ts';
import type { EvidencePack } from '../../src/client/index.ts';
import type { Framework } from '../../src/domain/controls.ts';

/** What a pack leaves out is said wherever it is shown. */
const FRAMEWORK: Framework = {
  framework: 'test',
  title: 'A test',
  version: '1',
  prefix: 'TEST',
  source: 'none',
  cannot: [],
  controls: [],
};
const WHOLE: EvidencePack = {
  from: null,
  to: null,
  checkpoint: { origin: 'writ/test', size: 1, root: '', checkpoint: '', key: '' },
  range: { first: 0, end: 1 },
  generations: [],
  generations_cut: false,
  profiles: [],
  events: [],
  policies: [],
  samples: [],
  samples_cut: false,
  usage: [],
  usage_cut: false,
  exceptions: [],
  exceptions_cut: false,
  log: {},
};

test.each([
  { cut: 'generations_cut', says: 'There were more sets of rules' },
  { cut: 'exceptions_cut', says: 'There were more exceptions' },
  { cut: 'samples_cut', says: 'There are more kinds of events and policies' },
  { cut: 'usage_cut', says: 'There are more workloads with profiles' },
])('$cut is said on a terminal and in print, and only then', ({ cut, says }) => {
  for (const [pack, said] of [
    [WHOLE, false],
    [{ ...WHOLE, [cut]: true }, true],
  ] as const) {
    expect(evidenceLines(FRAMEWORK, pack, []).some((line) => line.startsWith(`incomplete: ${says}`))).toBe(said);
    expect(evidencePage(FRAMEWORK, pack, [], new Date(0)).includes(says)).toBe(said);
  }
});
