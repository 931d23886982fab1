import { fileURLToPath } from 'node:url';
import { EVENT_TYPES } from '../../src/audit/catalogue/index.ts';
import { listFrameworks, readFramework } from '../../src/config/index.ts';

/** The mappings that come with Writ name controls that their frameworks have, and events that Writ writes. */
const SHIPPED = fileURLToPath(new URL('../../config/controls', import.meta.url));
const numbered = (prefix: string, ...numbers: string[]) => numbers.map((number) => `${prefix}${number}`);

/** As the frameworks number them, of those that an access broker can speak for: NIST AI 100-1, CSWP 29 and AI 600-1 (final), OWASP, CSA. */
const IDS: Readonly<Record<string, readonly string[]>> = {
  'nist-ai-rmf': [
    ...numbered('GOVERN ', '1.1', '1.3', '1.4', '1.5', '1.6', '1.7', '2.1', '3.2', '4.3', '6.1', '6.2'),
    ...numbered('MAP ', '1.5', '3.3', '3.5', '4.2'),
    ...numbered('MEASURE ', '2.4', '2.6', '2.7', '2.8', '3.1'),
    ...numbered('MANAGE ', '2.3', '2.4', '3.1', '4.1', '4.3'),
  ],
  'nist-csf-2.0': [
    ...numbered('PR.AA-', '01', '02', '03', '04', '05'),
    ...numbered('PR.', 'PS-04', 'DS-01', 'DS-02', 'DS-10'),
    ...numbered('DE.', 'CM-01', 'CM-03', 'CM-06', 'CM-09', 'AE-02', 'AE-03', 'AE-06'),
    ...numbered('RS.', 'MA-01', 'MA-02', 'MA-03', 'MA-04', 'MA-05', 'AN-06', 'AN-07', 'MI-01', 'MI-02'),
    ...['ID.AM-02', 'ID.AM-08', 'GV.PO-01', 'GV.PO-02', 'GV.RR-02'],
  ],
  'nist-ai-600-1': [
    ...numbered('GV-', '1.6-001', '1.6-003', '1.7-001', '3.2-005', '4.3-002', '6.1-007'),
    ...numbered('MS-', '2.6-007', '2.7-001'),
    ...numbered('MG-', '2.4-001', '2.4-002', '2.4-003', '2.4-004', '4.1-002', '4.3-001', '4.3-002'),
  ],
  'owasp-agentic': numbered('ASI', '01', '02', '03', '08', '10'),
  maestro: numbered('L', '3', '4', '5', '6', '7'),
};

test('these are the frameworks that there are', async () => {
  expect(await listFrameworks([SHIPPED])).toEqual(Object.keys(IDS).sort());
});

test.each(Object.entries(IDS))(
  '%s names its controls as the framework does, and none that it has not',
  async (name, ids) => {
    const { controls, version } = await readFramework(name, [SHIPPED]);
    expect(controls.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(version).toMatch(/^\d{4}-\d\d-\d\d$/);
  },
);

test.each(Object.keys(IDS))('%s asks for events that there are, and each control shows something', async (name) => {
  const types = new Set(EVENT_TYPES.map(({ type }) => type));
  const { controls } = await readFramework(name, [SHIPPED]);
  for (const { id, events, shows, expects } of controls) {
    expect([id, events.filter((type) => !types.has(type) && !type.endsWith('.*'))]).toEqual([id, []]);
    expect([id, events.length + shows.length]).not.toEqual([id, 0]);
    // what is expected of events is expected of some
    if (expects.includes('events')) expect([id, events.length]).not.toEqual([id, 0]);
  }
});

test('what the field calls A2 is found at both that its words fit', async () => {
  const { controls } = await readFramework('owasp-agentic', [SHIPPED]);
  expect(controls.filter(({ aliases }) => aliases.includes('A2')).map(({ id }) => id)).toEqual(['ASI02', 'ASI03']);
});
