import { EVENT_TYPES } from '../../src/audit/catalogue/index.ts';
import { OCSF_VERSION, toOcsf } from '../../src/audit/ocsf.ts';
import { isJsonObject } from '../../src/domain/json.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { TRANSITIONS } from '../ledger/transitions/index.ts';
import { makeWorld, OPERATOR } from '../ledger/world.ts';
import { ocsfFaults } from './ocsf-schema.ts';

/** Every type of event, as the ledger really writes it. */
async function written(): Promise<JsonObject[]> {
  const world = await makeWorld();
  try {
    for (const { arrange } of TRANSITIONS) await arrange(world).then(({ run }) => run());
    const { evidence, reaping } = world.ledger;
    await reaping.recordRefusals({ evidence_invalid: 2 }, new Date());
    await evidence.recordRead({
      actor: OPERATOR,
      origin: '192.0.2.7',
      what: 'events',
      resource: 'events',
      query: {},
      count: 1,
    });
    for (const text of [...callOf(world.generation()), ...MORE]) await world.sql(text);
    const rows = await world.sql<{ body: string }>('select body from events order by events.seq');
    return rows.map(({ body }) => JSON.parse(body) as JsonObject);
  } finally {
    await world.close();
  }
}

const asked = `'actor', '${JSON.stringify(OPERATOR)}'::jsonb, 'origin', '192.0.2.7'`;
const callOf = (generation: number) => [
  `select record_calls('${JSON.stringify({
    generation,
    rules_hash: 'rules',
    origin: '192.0.2.7',
    until: null,
    calls: [
      {
        ...{ n: 1, id: 'd1', trust: 'mesh', subject: 'agent', resource: 'refund', owner: 'shop', environment: 'test' },
        ...{ outcome: 'deny', code: 'policy_denied', policies: ['a'], controls: [], errors: [], inputs: {} },
        ...{ inputs_hash: 'h', mode: 'autonomous', budgeted: false, arguments: '{"order":"1"}', arguments_hash: 'h' },
      },
    ],
  })}'::jsonb)`,
  `select report_outcome('{"decision": "d1", "status": "not_attempted", "actor": {"kind": "workload", "trust": "mesh", "id": "agent"}, "origin": "192.0.2.7"}')`,
];
const MORE = [
  `select record_use_after_revocation(jsonb_build_object('grant', (select id from grants where why is not null limit 1), 'how', 'renew',
    'trust', 'mesh', 'subject', 'agent', 'count', 1, 'origin', '192.0.2.7'))`,
  `select place_hold(jsonb_build_object('id', 'h1', 'reason', 'a case', ${asked}))`,
  // those of other transitions as well: nothing is archived under one
  `select lift_hold(jsonb_build_object('id', id, 'reason', 'over', ${asked})) from legal_holds where lifted_at is null`,
  `select claim_sink('{"sink": "siem", "owner": "me", "from": "start", "lease_seconds": 9}')`,
  `select replay_dead_letters(jsonb_build_object('sink', 'siem', 'reason', 'fixed', ${asked}))`,
  `do $$ begin
    create table events_200101 (like events including defaults including constraints);
    alter table events attach partition events_200101 for values from ('2001-01-01 00:00+00') to ('2001-02-01 00:00+00');
    insert into log_checkpoints (size, root, origin, key, note) values (1, sha256(''), 'x', 'x', 'x');
    perform request_archive(jsonb_build_object('id', 'v1', 'month', '2001-01', 'reason', 'old', 'forced', false, ${asked}));
    perform archive_events('2001-01', 0, repeat('0', 64), 'v1');
  end $$`,
];

const bodies = await written();
const byType = new Map<string, JsonObject[]>();
for (const body of bodies) {
  const type = String(body['type']);
  byType.set(type, [...(byType.get(type) ?? []), body]);
}

test('every type is there, but for one that takes a key of age', () => {
  const missing = EVENT_TYPES.map(({ type }) => type).filter((type) => !byType.has(type));
  expect(missing).toEqual(['key.wiped']);
});

/** PCI DSS 4.0.1, 10.2.2: user, type of event, date and time, success or failure, origination, affected data, component or resource. */
test.each(EVENT_TYPES.filter(({ type }) => byType.has(type)))(
  '$type has the fields that PCI DSS 10.2.2 asks for',
  (entry) => {
    for (const body of byType.get(entry.type) ?? []) {
      const actor = isJsonObject(body['actor']) ? body['actor'] : {};
      const user = actor['id'] ?? actor['subject'] ?? actor['name'];
      expect(user).toEqual(expect.stringMatching(/./));
      expect(entry.by).toContain(actor['kind']);
      expect(body['type']).toBe(entry.type);
      expect(body['at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      expect({ yes: [true], no: [false], either: [true, false] }[entry.success]).toContain(body['success']);
      if (entry.origin === 'broker') expect(actor).toMatchObject({ kind: 'system', name: expect.stringMatching(/./) });
      if (entry.origin === 'request') expect(actor['kind']).not.toBe('system');
      expect(body['resource']).toEqual(expect.stringMatching(/./));
      const facts = Object.keys(isJsonObject(body['facts']) ? body['facts'] : {});
      expect(facts.filter((name) => !Object.hasOwn(entry.facts, name))).toEqual([]);
    }
  },
);

test.each(EVENT_TYPES.filter(({ type }) => byType.has(type)))(
  '$type as OCSF is what its class asks for',
  ({ type }) => {
    for (const body of byType.get(type) ?? []) {
      const record = toOcsf(body, 7, '1.2.3');
      expect(ocsfFaults(record)).toEqual([]);
      expect(record).toMatchObject({ metadata: { version: OCSF_VERSION, sequence: 7 }, unmapped: { event: body } });
    }
  },
);

test('a type that nobody has thought of is told too', () => {
  for (const type of ['tool.invented', 'call.invented', 'nothing', '__proto__.x', 'toString'])
    expect(ocsfFaults(toOcsf({ type, at: '2026-11-25T00:00:00.000000Z' }, 0, '1'))).toEqual([]);
});

test.each([
  {
    type: 'grant.activated',
    want: { class_uid: 3004, activity_id: 10, type_uid: 300410, status_id: 1, entity: { type: 'grant' } },
  },
  { type: 'grant.revoked', want: { class_uid: 3004, activity_id: 4, type_uid: 300404 } },
  { type: 'grant.stuck', want: { class_uid: 3004, severity_id: 4, status_id: 2 } },
  { type: 'decision.made', want: { class_uid: 6003, category_uid: 6, api: { operation: 'issue' } } },
])('$type', ({ type, want }) => {
  const records = (byType.get(type) ?? []).map((body) => toOcsf(body, 1, '1'));
  expect(records[0]).toMatchObject(want);
});

test('a decision has an authorization for each policy that decided', () => {
  const facts = { action: 'issue', outcome: 'deny', code: 'policy_denied', policies: ['a', 'b'], rules_hash: 'h' };
  const record = toOcsf({ type: 'decision.made', at: '2026-11-25T00:00:00.000000Z', success: false, facts }, 1, '1');
  expect(record).toMatchObject({
    status_id: 2,
    status_code: 'policy_denied',
    actor: {
      authorizations: [
        { decision: 'deny', policy: { uid: 'a', version: 'h' } },
        { decision: 'deny', policy: { uid: 'b', version: 'h' } },
      ],
    },
  });
});
