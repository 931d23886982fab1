-- What rows say and their events did not: with it, every column that matters can be held against the record. And months that are put away on
-- somebody's word, which the record names, and not before every sink has what is in them.

-- As before, and the event says which controls the policies that decided carry.
create or replace function write_decision(d jsonb, grant_id text, at timestamptz) returns void language plpgsql as $$
begin
  insert into decisions (id, action, generation, rules_hash, trust, subject, resource, task_id, outcome, code, policies, controls, errors, inputs, origin, at,
    grant_id, mode, on_behalf_of, approval_id, exception_id, arguments_hash, arguments)
  values (d ->> 'id', d ->> 'action', (d ->> 'generation')::bigint, d ->> 'rules_hash', d ->> 'trust', d ->> 'subject', d ->> 'resource',
    d ->> 'task_id', d ->> 'outcome', d ->> 'code',
    array(select jsonb_array_elements_text(d -> 'policies')), array(select jsonb_array_elements_text(d -> 'controls')),
    d -> 'errors', d -> 'inputs', d ->> 'origin', write_decision.at, write_decision.grant_id, d ->> 'mode', d ->> 'on_behalf_of', d ->> 'approval_id',
    d ->> 'exception_id', d ->> 'arguments_hash', d -> 'arguments');
  perform emit_event('decision.made', workload_actor(d ->> 'trust', d ->> 'subject'), d ->> 'trust', d ->> 'subject', d ->> 'on_behalf_of',
    d ->> 'task_id', grant_id, d ->> 'id', d ->> 'origin', d ->> 'resource',
    d ->> 'outcome' = 'allow',
    jsonb_build_object('action', d ->> 'action', 'outcome', d ->> 'outcome', 'code', d ->> 'code', 'generation', (d ->> 'generation')::bigint,
      'rules_hash', d ->> 'rules_hash', 'policies', d -> 'policies', 'controls', d -> 'controls', 'errors', d -> 'errors', 'mode', d ->> 'mode', 'approval', d ->> 'approval_id',
      'exception', d ->> 'exception_id', 'arguments_hash', d ->> 'arguments_hash', 'inputs_hash',
      encode(sha256(convert_to(canonical(d -> 'inputs'), 'UTF8')), 'hex')));
end $$;

-- As before, and the event says which controls the policies that decided carry.
create or replace function record_calls(p jsonb) returns jsonb language plpgsql as $$
declare
  items call_item[];
  c call_item;
  codes text[];
  stood text[];
  consumed text[] := '{}';
  slow boolean;
  recorded integer;
  standing boolean;
  sweeping boolean;
  decided timestamptz;
  at_text text;
  generation_text text := '"generation":' || (p ->> 'generation') || ',';
  rules_text text := ',"rules_hash":' || to_json(p ->> 'rules_hash')::text || '},';
  origin_text text := coalesce('"origin":' || to_json(p ->> 'origin')::text || ',', '');
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (p ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  select array_agg(i order by i.n), bool_or(i.budgeted or i.approval_id is not null) into items, slow
    from jsonb_populate_recordset(null::call_item, p -> 'calls') as i;
  perform lock_tree_shared(root) from (select distinct i.root from unnest(items) as i where i.root is not null order by i.root) as trees;
  if slow then
    perform 1 from approvals where id in (select i.approval_id from unnest(items) as i) order by id for update;
    perform 1 from tasks where id in (select unnest(k.path) from unnest(items) as i join tasks k on k.id = i.task_id where i.budgeted)
      order by root_id, cardinality(path), id for update;
  end if;
  decided := clock_timestamp();
  at_text := utc_text(decided);
  standing := exists (select 1 from orders where blocks and lifted_at is null);
  sweeping := exists (select 1 from orders where swept_at is null);

  select array_agg(case
      when i.outcome = 'deny' then i.code
      when i.stands is not null then 'under_order'
      else coalesce(i.closed, i.ended, i.code)
    end order by i.n), array_agg(i.stands order by i.n) into codes, stood
  from (
    select it.n, it.outcome, it.code,
      case when standing then coalesce(blocking_order(it.subject, it.on_behalf_of, k.path, g.profile, it.owner, it.environment, g.provider),
        blocking_order(null, null, null, null, g.owner, g.environment, null)) end as stands,
      case when it.grant_id is not null then grant_closed(g, it.trust, it.subject, sweeping, decided) end as closed,
      case when it.task_id is not null then task_closed(k, decided) end as ended
    from unnest(items) as it left join grants g on g.id = it.grant_id left join tasks k on k.id = it.task_id
  ) as i;
  recorded := cardinality(codes);
  if p ->> 'until' = 'deny' then
    select coalesce(min(n), recorded) into recorded from unnest(codes) with ordinality as u (code, n) where code is not null;
  end if;

  if slow then
    foreach c in array items loop
      exit when c.n > recorded;
      continue when codes[c.n] is not null or not (c.budgeted or c.approval_id is not null);
      if c.approval_id is not null and (c.approval_id = any (consumed) or not exists (select 1 from approvals a where a.id = c.approval_id
        and a.kind = 'call' and a.state = 'approved' and a.expires_at > decided and a.asked_hash = c.asked_hash and a.trust = c.trust and a.subject = c.subject))
      then
        codes[c.n] := 'approval_required';
      elsif c.budgeted then
        codes[c.n] := spend_budget((select k from tasks k where k.id = c.task_id), 'calls', 1);
      end if;
      if codes[c.n] is null and c.approval_id is not null then
        update approvals set state = 'consumed', consumed_at = decided, closed_at = decided where id = c.approval_id;
        consumed := consumed || c.approval_id;
      elsif codes[c.n] is not null and p ->> 'until' = 'deny' then
        recorded := c.n;
      end if;
    end loop;
  end if;

  insert into decisions (id, action, generation, rules_hash, trust, subject, resource, task_id, outcome, code, policies, controls, errors, inputs, origin, at,
    grant_id, mode, on_behalf_of, approval_id, exception_id, arguments_hash, arguments, asked_by)
  select i.id, 'call', (p ->> 'generation')::bigint, p ->> 'rules_hash', i.trust, i.subject, i.resource, i.task_id,
    case when codes[i.n] is null then 'allow' when codes[i.n] = i.code then i.outcome else 'deny' end, codes[i.n], i.policies, i.controls, i.errors, i.inputs,
    p ->> 'origin', decided, i.grant_id, i.mode, i.on_behalf_of, i.approval_id, i.exception_id, i.arguments_hash, i.arguments::jsonb, i.asked_by
  from unnest(items) as i where i.n <= recorded;

  -- The body is put together by hand, as emit_event does: ids, codes and hashes need no escaping, and a call of a function for each member would
  -- cost more than all the rest.
  insert into events (at, seq, type, task_id, grant_id, body)
  select decided, e.seq, 'call.decided', e.task_id, e.grant_id,
    '{"actor":{"id":' || coalesce(to_json(e.asked_by ->> 'id'), to_json(e.subject))::text || ',"kind":"workload","trust":'
      || coalesce(to_json(e.asked_by ->> 'trust'), to_json(e.trust))::text || '},"at":"' || at_text || '","decision":"' || e.id || '","facts":{'
    || coalesce('"approval":"' || e.approval_id || '",', '') || coalesce('"arguments":' || e.arguments || ',', '')
    || coalesce('"arguments_hash":"' || e.arguments_hash || '",', '') || coalesce('"code":"' || codes[e.n] || '",', '')
    || '"controls":' || to_json(e.controls)::text || ',"errors":' || case when e.errors = '[]' then '[]' else canonical(e.errors) end || ','
    || coalesce('"exception":"' || e.exception_id || '",', '') || generation_text || '"inputs_hash":"' || e.inputs_hash || '",'
    || coalesce('"mode":"' || e.mode || '",', '')
    || '"outcome":"' || case when codes[e.n] is null then 'allow' when codes[e.n] = e.code then e.outcome else 'deny' end || '",'
    || '"policies":' || to_json(e.policies)::text || rules_text || coalesce('"grant":"' || e.grant_id || '",', '') || origin_text
    || coalesce('"principal":' || to_json(e.on_behalf_of)::text || ',', '') || '"resource":' || to_json(e.resource)::text || ',"seq":' || e.seq
    || case when codes[e.n] is null then ',"success":true,' else ',"success":false,' end || coalesce('"task":"' || e.task_id || '",', '')
    || '"type":"call.decided","workload":{"id":' || to_json(e.subject)::text || ',"trust":' || to_json(e.trust)::text || '}}'
  from (select i.*, nextval('events_seq') as seq from unnest(items) as i where i.n <= recorded order by i.n) as e;

  foreach c in array items loop
    exit when c.n > recorded or consumed = '{}';
    continue when codes[c.n] is not null or c.approval_id is null;
    perform emit_event('approval.consumed', workload_actor(c.trust, c.subject), c.trust, c.subject, c.on_behalf_of, c.task_id, c.grant_id, c.id, p ->> 'origin',
      c.resource, true, jsonb_build_object('approval', c.approval_id, 'asked_hash', c.asked_hash));
  end loop;
  return jsonb_build_object('codes', to_jsonb(codes[1:recorded]), 'orders', to_jsonb(stood[1:recorded]));
end $$;

-- As before, and the event says when the credential itself ends.
create or replace function open_first_mint(g grants, m jsonb, last_moment timestamptz, opened timestamptz, actor jsonb, origin text) returns void language plpgsql as $$
begin
  insert into mints (id, grant_id, kind, provider, state, due_at, deadline, ends_at, request, opened_at)
  values (m ->> 'id', g.id, 'first', g.provider, 'intent', last_moment, last_moment, coalesce((m ->> 'ends_at')::timestamptz, g.expires_at),
    m -> 'request', opened);
  perform emit_grant_event(g, 'grant.opened', actor, origin, true,
    jsonb_build_object('mint', m ->> 'id', 'provider', g.provider, 'owner', g.owner, 'environment', g.environment, 'effect', g.effect,
      'parameters', g.parameters, 'ttl_seconds', g.ttl_seconds, 'ttl_decided_by', g.ttl_decided_by, 'expires_at', utc_text(g.expires_at),
      'mint_ends_at', utc_text(coalesce((m ->> 'ends_at')::timestamptz, g.expires_at)), 'revocability', g.revocability));
end $$;

-- As before, and the event says when the credential itself ends.
create or replace function open_mint(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  m jsonb := p -> 'mint';
  g grants;
  opened timestamptz;
  last_moment timestamptz;
  order_in_the_way text;
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  select * into g from grants where id = p ->> 'grant' and trust = d ->> 'trust' and subject = d ->> 'subject' for update;
  opened := clock_timestamp();
  if g.id is null then
    return jsonb_build_object('refused', 'not_found');
  elsif g.state <> 'active' or g.expires_at <= opened then
    return jsonb_build_object('refused', 'grant_not_active');
  elsif task_closed((select t from tasks t where t.id = g.task_id), opened) is not null then
    return jsonb_build_object('refused', 'task_ended');
  elsif exists (select 1 from mints where grant_id = g.id
    and case p ->> 'kind' when 'replacement' then state <> 'ended' else state not in ('live', 'ending', 'ended') end) then
    return jsonb_build_object('refused', 'request_in_progress');
  end if;
  order_in_the_way := blocking_order(g.subject, g.on_behalf_of, g.task_path, g.profile, g.owner, g.environment, g.provider);
  if order_in_the_way is not null then
    perform write_decision(d || jsonb_build_object('task_id', g.task_id, 'outcome', 'deny', 'code', 'under_order'), g.id, opened);
    return jsonb_build_object('refused', 'under_order', 'order', order_in_the_way);
  end if;
  if (p #>> '{ttl,ends_at}')::timestamptz > opened + make_interval(secs => (p #>> '{ttl,seconds}')::integer + 2) then
    return jsonb_build_object('refused', 'clock_skew');
  end if;
  last_moment := opened + make_interval(secs => (m ->> 'deadline_seconds')::double precision);
  perform write_decision(d || jsonb_build_object('task_id', g.task_id), g.id, opened);
  insert into mints (id, grant_id, kind, provider, state, due_at, deadline, ends_at, grant_ends_at, request, opened_at)
  values (m ->> 'id', g.id, p ->> 'kind', g.provider, 'intent', last_moment, last_moment,
    coalesce((m ->> 'ends_at')::timestamptz, (p #>> '{ttl,ends_at}')::timestamptz),
    case when m ->> 'ends_at' is not null and p ->> 'kind' <> 'child' then (p #>> '{ttl,ends_at}')::timestamptz end, m -> 'request', opened);
  perform emit_grant_event(g, 'mint.opened', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('decision', d ->> 'id', 'mint', m ->> 'id', 'kind', p ->> 'kind', 'ttl_seconds', p #> '{ttl,seconds}', 'ttl_decided_by', p #>> '{ttl,decided_by}',
      'expires_at', utc_text((p #>> '{ttl,ends_at}')::timestamptz),
      'mint_ends_at', utc_text(coalesce((m ->> 'ends_at')::timestamptz, (p #>> '{ttl,ends_at}')::timestamptz))));
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
end $$;

-- As before, and the event of a task that a single call makes for itself says until when it is, and whose evidence stood behind it.
create or replace function open_grant(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  t jsonb := p -> 'task';
  w jsonb := p -> 'grant';
  m jsonb := p -> 'mint';
  a jsonb := p -> 'approval';
  k jsonb := p -> 'idempotency';
  there boolean := coalesce((p #>> '{task,there}')::boolean, false);
  waits boolean := jsonb_typeof(p -> 'approval') is not distinct from 'object';
  task tasks;
  chain text[] := array[t ->> 'id'];
  g grants;
  opened timestamptz;
  last_moment timestamptz;
  order_in_the_way text;
  refusal text;
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  if there then
    perform lock_tree_shared((select root_id from tasks where id = t ->> 'id'));
    select * into task from tasks where id = t ->> 'id' and trust = d ->> 'trust' and subject = d ->> 'subject';
    chain := coalesce(task.path, chain);
  end if;
  opened := clock_timestamp();
  order_in_the_way := blocking_order(d ->> 'subject', t ->> 'on_behalf_of', chain, w ->> 'profile', w ->> 'owner', w ->> 'environment', w ->> 'provider');
  if order_in_the_way is not null then
    perform write_decision(d || jsonb_build_object('outcome', 'deny', 'code', 'under_order'), null, opened);
    return jsonb_build_object('refused', 'under_order', 'order', order_in_the_way);
  end if;
  if (w ->> 'expires_at')::timestamptz > opened + make_interval(secs => (w ->> 'ttl_seconds')::integer + 2) then
    return jsonb_build_object('refused', 'clock_skew');
  end if;
  if there then
    refusal := coalesce(task_closed(task, opened), case when not waits then spend_budget(task, 'grants', 1) end);
    if refusal is not null then
      perform write_decision(d || jsonb_build_object('outcome', 'deny', 'code', refusal, 'task_id', task.id), null, opened);
      return jsonb_build_object('refused', refusal);
    end if;
  end if;
  last_moment := opened + make_interval(secs => (m ->> 'deadline_seconds')::double precision);

  perform write_decision(d || jsonb_build_object('task_id', t ->> 'id'), w ->> 'id', opened);
  if not there then
    insert into tasks (id, root_id, path, implicit, trust, subject, on_behalf_of, principal, chain, purpose, mode, environment, ends_at, grants_used, state,
      created_at)
    values (t ->> 'id', t ->> 'id', chain, true, d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of', nullif(t -> 'principal', 'null'),
      coalesce(t -> 'chain', '[]'), t ->> 'purpose', t ->> 'mode', t ->> 'environment', (t ->> 'ends_at')::timestamptz, 1, 'open', opened);
  end if;
  insert into grants (id, task_id, task_path, decision_id, trust, subject, on_behalf_of, profile, provider, owner, environment, effect, parameters,
    state, revocability, ttl_seconds, ttl_decided_by, opened_at, expires_at)
  values (w ->> 'id', t ->> 'id', chain, d ->> 'id', d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of', w ->> 'profile', w ->> 'provider',
    w ->> 'owner', w ->> 'environment', w ->> 'effect', w -> 'parameters', case when waits then 'pending_approval' else 'issuing' end, w -> 'revocability',
    (w ->> 'ttl_seconds')::integer, w ->> 'ttl_decided_by', opened, case when waits then (a ->> 'expires_at') else (w ->> 'expires_at') end::timestamptz)
  returning * into g;
  if k is not null and jsonb_typeof(k) = 'object' then
    insert into idempotency_keys (trust, subject, key, request_hash, grant_id, created_at)
    values (g.trust, g.subject, k ->> 'key', k ->> 'request_hash', g.id, opened)
    on conflict (trust, subject, key) do update set grant_id = excluded.grant_id, created_at = excluded.created_at
      where idempotency_keys.request_hash = excluded.request_hash
        and (select state from grants where id = idempotency_keys.grant_id) not in ('pending_approval', 'issuing', 'active', 'ending', 'stuck');
    if not found then
      raise exception using errcode = 'WR409', message = 'idempotency key in use';
    end if;
  end if;
  if not there then
    perform emit_grant_event(g, 'task.created', workload_actor(g.trust, g.subject), p ->> 'origin', true,
      jsonb_build_object('implicit', true, 'purpose', t ->> 'purpose', 'mode', t ->> 'mode', 'environment', t ->> 'environment',
        'ends_at', utc_text((t ->> 'ends_at')::timestamptz), 'principal', nullif(t -> 'principal', 'null'), 'chain', coalesce(t -> 'chain', '[]')));
  end if;
  if waits then
    perform request_approval(a, d, g.id, g.task_id, g.owner, g.environment, opened, p ->> 'origin');
    perform emit_grant_event(g, 'grant.requested', workload_actor(g.trust, g.subject), p ->> 'origin', true,
      jsonb_build_object('approval', a ->> 'id', 'provider', g.provider, 'owner', g.owner, 'environment', g.environment, 'effect', g.effect,
        'parameters', g.parameters, 'ttl_seconds', g.ttl_seconds));
    return jsonb_build_object('opened_at', opened);
  end if;
  perform open_first_mint(g, m, last_moment, opened, workload_actor(g.trust, g.subject), p ->> 'origin');
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
end $$;

-- As before, and the event says whose answer is wanted, and who is to be told.
create or replace function request_approval(a jsonb, d jsonb, of_grant text, task text, owner text, environment text, at timestamptz, origin text) returns void
language plpgsql as $$
begin
  if (select count(*) from approvals where approvals.trust = d ->> 'trust' and approvals.subject = d ->> 'subject' and state = 'pending')
    >= (a ->> 'max_open')::integer then
    raise exception using errcode = 'WR429', message = 'too many approvals are waited for';
  end if;
  insert into approvals (id, kind, decision_id, grant_id, asked_hash, asked, state, needs, created_at, expires_at, trust, subject, on_behalf_of, task_id, resource,
    owner, environment, chain)
  values (a ->> 'id', a ->> 'kind', d ->> 'id', of_grant, a ->> 'asked_hash', a -> 'asked', 'pending', a -> 'needs', request_approval.at,
    (a ->> 'expires_at')::timestamptz, d ->> 'trust', d ->> 'subject', d ->> 'on_behalf_of', task, d ->> 'resource', request_approval.owner,
    request_approval.environment, coalesce(a -> 'chain', '[]'));
  insert into approval_notices (approval_id, target, state, due_at, created_at)
  select a ->> 'id', target, 'pending', request_approval.at, request_approval.at from jsonb_array_elements_text(coalesce(a -> 'notify', '[]')) as targets (target);
  perform emit_event('approval.requested', workload_actor(d ->> 'trust', d ->> 'subject'), d ->> 'trust', d ->> 'subject', d ->> 'on_behalf_of', task, of_grant,
    d ->> 'id', origin, a ->> 'id', true,
    jsonb_build_object('approval', a ->> 'id', 'kind', a ->> 'kind', 'asked_hash', a ->> 'asked_hash', 'needs', a -> 'needs', 'resource', d ->> 'resource',
      'expires_at', utc_text((a ->> 'expires_at')::timestamptz), 'owner', request_approval.owner, 'environment', request_approval.environment,
      'notify', coalesce(a -> 'notify', '[]')));
  perform pg_notify('writ', 'approval');
end $$;

-- Ends a notice. Whether somebody was told goes into the record; that it was answered before has an event of its own.
create or replace function close_notice(approval text, told text, outcome text) returns void language plpgsql as $$
declare
  a approvals;
  n approval_notices;
begin
  update approval_notices set state = outcome, closed_at = clock_timestamp(), claimed_by = null where approval_id = approval and target = told
    returning * into n;
  select * into a from approvals where id = approval;
  if outcome = 'sent' then
    perform emit_event('approval.told', system_actor('broker'), a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, null, a.id, true,
      jsonb_build_object('approval', a.id, 'target', n.target, 'attempts', n.attempts));
  elsif outcome = 'dead' then
    perform emit_event('approval.untold', system_actor('broker'), a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, null, a.id, false,
      jsonb_build_object('approval', a.id, 'target', n.target, 'attempts', n.attempts, 'error', n.last_error));
  end if;
end $$;

-- That a month be put away is asked for by a person, of the broker; the database's owner then does it.
create table archive_requests (
  id       text primary key,
  month    text not null check (month ~ '^\d{4}-(0[1-9]|1[0-2])$'),
  reason   text not null,
  -- also what a sink was not given yet
  forced   boolean not null,
  asked_by jsonb not null,
  origin   text,
  asked_at timestamptz not null,
  used_at  timestamptz
);
create trigger archive_requests_stay before delete on archive_requests for each row execute function refuse_change();
create trigger archive_requests_are_kept before update on archive_requests for each row
  when (old.used_at is not null or (old.id, old.month, old.reason, old.forced, old.asked_by, old.origin, old.asked_at)
    is distinct from (new.id, new.month, new.reason, new.forced, new.asked_by, new.origin, new.asked_at))
  execute function refuse_change();

-- Null: of a month that was put away before it had to be asked for.
alter table event_archives add column request text references archive_requests (id);

-- p: {id, month, reason, forced, actor, origin}. Returns {"asked_at"}.
create function request_archive(p jsonb) returns jsonb language plpgsql as $$
declare
  r archive_requests;
begin
  insert into archive_requests (id, month, reason, forced, asked_by, origin, asked_at)
  values (p ->> 'id', p ->> 'month', p ->> 'reason', (p ->> 'forced')::boolean, p -> 'actor', p ->> 'origin', clock_timestamp())
  returning * into r;
  perform emit_own_event('archive.requested', r.asked_by, r.origin, 'events_' || replace(r.month, '-', ''), true,
    jsonb_build_object('request', r.id, 'month', r.month, 'reason', r.reason, 'forced', r.forced));
  return jsonb_build_object('asked_at', r.asked_at);
end $$;

-- Why a month cannot be put away: 'not_over', 'no_such_month', 'archived', 'unsealed', 'unsigned', 'held'; 'undelivered' where a sink has not been
-- given all of it, or did not take something of it, unless that is `forced`; or null.
drop function archive_refused(text);
create function archive_refused(wanted text, forced boolean) returns text language plpgsql as $$
declare
  part regclass := to_regclass('events_' || replace(wanted, '-', ''));
  first timestamptz := (wanted || '-01')::timestamp at time zone 'UTC';
  last timestamptz := ((wanted || '-01')::timestamp + interval '1 month') at time zone 'UTC';
  unsealed boolean;
  undelivered boolean;
  highest bigint;
begin
  if exists (select 1 from event_archives where month = wanted) then
    return 'archived';
  elsif part is null then
    return 'no_such_month';
  elsif last > clock_timestamp() - interval '1 hour' then
    return 'not_over';
  elsif exists (select 1 from legal_holds where lifted_at is null and coalesce(from_at < last, true) and coalesce(to_at > first, true)) then
    return 'held';
  end if;
  execute format('select exists (select 1 from %s where leaf is null), (select max(leaf) from %s), exists (select 1 from dead_letters d join %s e on e.leaf = d.leaf)',
    part, part, part) into unsealed, highest, undelivered;
  if unsealed then
    return 'unsealed';
  elsif coalesce(highest, 0) >= (select coalesce(max(size), 0) from log_checkpoints) then
    return 'unsigned';
  elsif not forced and (undelivered or exists (select 1 from sinks where position <= highest)) then
    return 'undelivered';
  end if;
  return null;
end $$;

-- Detaches a month whose events were written to a file with this digest, as it was asked for within the hour. The database's owner alone may.
-- Returns null, or why not: as archive_refused, 'unasked' where nobody did, or 'changed' where it does not hold as many events as were written.
drop function archive_events(text, bigint, text);
create function archive_events(wanted text, written bigint, digest text, asked text) returns text language plpgsql as $$
declare
  part text := 'events_' || replace(wanted, '-', '');
  r archive_requests;
  refusal text;
  there bigint;
  which int8multirange;
  behind jsonb;
  given_up integer;
begin
  perform lock_holds();
  select * into r from archive_requests where id = asked and month = wanted and used_at is null and asked_at > clock_timestamp() - interval '1 hour' for update;
  if r.id is null then
    return 'unasked';
  end if;
  refusal := archive_refused(wanted, r.forced);
  if refusal is not null then
    return refusal;
  end if;
  execute format('select count(*), coalesce(range_agg(int8range(leaf, leaf + 1)), ''{}'') from %I', part) into there, which;
  if there <> written then
    return 'changed';
  end if;
  -- what they are not given any more
  select coalesce(jsonb_agg(name order by name), '[]') into behind from sinks where position < upper(which);
  delete from dead_letters where which @> leaf;
  get diagnostics given_up = row_count;
  update archive_requests set used_at = clock_timestamp() where id = r.id;
  insert into event_archives (month, events, leaves, sha256, request) values (wanted, there, which, digest, r.id);
  perform emit_own_event('events.archived', r.asked_by, r.origin, part, true,
    jsonb_build_object('month', wanted, 'count', there, 'leaves', which::text, 'sha256', digest, 'request', r.id, 'reason', r.reason, 'login', session_user,
      'forced', r.forced, 'undelivered', behind, 'dead_letters', given_up));
  execute format('alter table events detach partition %I', part);
  return null;
end $$;

grant select, insert on archive_requests to writ_broker;
revoke execute on function archive_events(text, bigint, text, text) from public;
