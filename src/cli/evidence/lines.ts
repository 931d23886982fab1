import type { EvidencePack } from '../../client/index.ts';
import type { Framework } from '../../domain/controls.ts';
import { table } from '../table.ts';
import { isUnused } from './judge.ts';
import type { ControlEvidence } from './judge.ts';
import { cutsOf, LIMITS } from './limits.ts';

/** An evidence pack for a terminal: the whole of it is in `--html` and `--json`. */
export function evidenceLines(
  framework: Framework,
  pack: EvidencePack,
  controls: readonly ControlEvidence[],
): string[] {
  const sum = (counts: readonly { readonly count: number }[]) =>
    String(counts.reduce((all, { count }) => all + count, 0));
  const rows = controls.map(({ id, policies, events, missing }) => [
    id,
    policies.map((policy) => policy.id).join(' ') || '-',
    sum(events),
    missing.join('; ') || '-',
  ]);
  const unused = pack.usage.filter(isUnused);
  return [
    `${framework.title} (${framework.framework}, version ${framework.version})`,
    `${pack.from ?? 'from the beginning'} to ${pack.to ?? 'now'}; ${pack.range.end - pack.range.first} events under checkpoint ${pack.checkpoint.size} of ${pack.checkpoint.origin}`,
    '',
    ...table([['CONTROL', 'POLICIES', 'EVENTS', 'MISSING'], ...rows]),
    '',
    `exceptions: ${pack.exceptions.length}; held without any known use: ${unused.length} of ${pack.usage.length}`,
    ...unused.slice(0, 20).map((row) => `  ${row.subject} ${row.profile}: ${row.grants} grants`),
    '',
    ...cutsOf(pack).map((cut) => `incomplete: ${cut}`),
    'What this cannot show:',
    ...[...framework.cannot, ...LIMITS].map((limit) => `  - ${limit}`),
  ];
}
