import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Event } from './event.ts';
import { made, step } from './statement.ts';
import type { Statement } from './statement.ts';

/** What people do, and the broker with its keys. */
export const STATEMENTS_OF_OPERATORS: Readonly<Record<string, (event: Event) => Statement | undefined>> = {
  'order.created': (event) =>
    made('orders', event.facts['order'], {
      columns: { ...named(event.facts, ['kind', 'value', 'reason', 'blocks']), author: event.body['actor'] ?? null },
      near: { created_at: event.at },
    }),
  'order.swept': ({ facts, at }) => step('orders', facts['order'], { columns: {}, near: { swept_at: at } }),
  'order.lift_requested': ifDone(({ facts, body, at }) =>
    step('orders', facts['order'], {
      columns: { lift_requested_by: body['actor'] ?? null, lift_reason: facts['reason'] ?? null },
      near: { lift_requested_at: at },
    }),
  ),
  'order.lifted': ({ facts, body, at }) => {
    const columns: Record<string, Json> = {
      lifted_by: body['actor'] ?? null,
      lift_requested_by: facts['requested_by'] ?? null,
    };
    // of two people the first one's stays
    if (facts['requested_by'] === undefined) columns['lift_reason'] = facts['reason'] ?? null;
    return step('orders', facts['order'], { columns, near: { lifted_at: at } });
  },

  'exception.requested': ({ facts, body, at }) => {
    const scope = isJsonObject(facts['scope']) ? facts['scope'] : {};
    return made('exceptions', facts['exception'], {
      columns: {
        ...named(scope, ['profile', 'tool', 'agent', 'owner', 'environment']),
        ...named(facts, ['policies', 'reason', 'starts_at', 'ends_at', 'review_by']),
        author: body['actor'] ?? null,
      },
      near: { created_at: at },
    });
  },
  'exception.approved': ifDone((event) => answered(event, { was_approved: true })),
  'exception.denied': ifDone((event) => answered(event, { state: 'denied' })),
  'exception.ended': ifDone(({ facts, body, at }) =>
    step('exceptions', facts['exception'], {
      columns: { state: 'ended', ended_by: body['actor'] ?? null, end_reason: facts['reason'] ?? null },
      near: { ended_at: at },
    }),
  ),
  'exception.reviewed': ifDone(({ facts, body, at }) =>
    step('exceptions', facts['exception'], {
      columns: { reviewed_by: body['actor'] ?? null, review_note: facts['note'] ?? null },
      near: { reviewed_at: at },
    }),
  ),

  'generation.activated': (event) =>
    made('generations', JSON.stringify(event.facts['number'] ?? null), {
      columns: {
        ...named(event.facts, ['number', 'hash', 'difference']),
        author: event.body['actor'] ?? null,
        text_fits: true,
      },
      near: { activated_at: event.at },
    }),
  'key.added': ({ body, facts, at }) =>
    made('signing_keys', body['resource'], {
      columns: { ...named(facts, ['class', 'alg', 'signs_from']), thumbprint: body['resource'] ?? null },
      near: { created_at: at },
    }),
  'key.wiped': ({ body, at }) => step('signing_keys', body['resource'], { columns: {}, near: { wiped_at: at } }),

  'hold.placed': ({ facts, body, at }) =>
    made('legal_holds', facts['hold'], {
      columns: {
        reason: facts['reason'] ?? null,
        from_at: facts['from'] ?? null,
        to_at: facts['to'] ?? null,
        placed_by: body['actor'] ?? null,
      },
      near: { placed_at: at },
    }),
  'hold.lifted': ({ facts, body, at }) =>
    step('legal_holds', facts['hold'], {
      columns: { lifted_by: body['actor'] ?? null, lift_reason: facts['reason'] ?? null },
      near: { lifted_at: at },
    }),
  'archive.requested': ({ facts, body, at }) =>
    made('archive_requests', facts['request'], {
      columns: {
        ...named(facts, ['month', 'reason', 'forced']),
        asked_by: body['actor'] ?? null,
        origin: body['origin'] ?? null,
        use_fits: true,
      },
      near: { asked_at: at },
    }),
  'events.archived': ({ facts, at }) =>
    made('event_archives', facts['month'], {
      columns: { ...named(facts, ['leaves', 'sha256', 'request']), events: facts['count'] ?? null },
      near: { archived_at: at },
    }),
};

/** Of what can be refused, and is on record then too. */
function ifDone(statement: (event: Event) => Statement | undefined): (event: Event) => Statement | undefined {
  return (event) => (event.body['success'] === true ? statement(event) : undefined);
}

function answered({ facts, body, at }: Event, state: JsonObject): Statement | undefined {
  return step('exceptions', facts['exception'], {
    columns: { ...state, answered_by: body['actor'] ?? null, answer_reason: facts['reason'] ?? null },
    near: { answered_at: at },
  });
}

function named(facts: JsonObject, names: readonly string[]): Record<string, Json> {
  return Object.fromEntries(names.map((name) => [name, facts[name] ?? null]));
}
