-- Calls of tools: each is decided by the rules first, and here against the live state, in the transaction that records it.

-- Who asked, where it was not the workload itself: {"trust", "id"} of a registered client.
alter table decisions add column asked_by jsonb;

-- How a call went, in the word of whoever may ask about it; once.
create table call_outcomes (
  decision_id text primary key references decisions (id),
  status      text not null check (status in ('succeeded', 'failed', 'not_attempted')),
  detail      text,
  -- when it happened, as reported; `at` is when that was recorded
  happened_at timestamptz,
  trust       text not null,
  subject     text not null,
  at          timestamptz not null
);
create trigger call_outcomes_are_kept before update or delete on call_outcomes for each row execute function refuse_change();
grant select, insert on call_outcomes to writ_broker;

-- One call of a batch, as the rules decided it. n counts from 1; outcome and code are those of the rules; root is the root of its task's tree
-- and budgeted whether that task or one above it has a budget of calls (neither ever changes); arguments is canonical text.
create type call_item as (
  n integer, id text, trust text, subject text, asked_by jsonb, on_behalf_of text, resource text, owner text, environment text,
  outcome text, code text, policies text[], controls text[], errors jsonb, inputs jsonb, inputs_hash text, mode text, task_id text, root text,
  budgeted boolean, grant_id text, approval_id text, asked_hash text, exception_id text, arguments_hash text, arguments text
);

-- Why nothing may be done under a grant of this workload, as it stands now; or null. Orders that are still being swept count as done.
create function grant_closed(g grants, trust text, subject text, sweeping boolean, at timestamptz) returns text language sql stable as $$
  select case when g.id is null or g.trust <> $2 or g.subject <> $3 or g.state <> 'active' or g.expires_at <= at
    or (sweeping and exists (
      select 1 from orders o where o.swept_at is null and o.created_at >= g.opened_at
        and case o.kind when 'all' then true when 'agent' then o.value = g.subject when 'task' then o.value = any (g.task_path)
          when 'profile' then o.value = g.profile when 'owner' then o.value = g.owner when 'environment' then o.value = g.environment
          when 'provider' then o.value = g.provider when 'on_behalf_of' then o.value = g.on_behalf_of end))
    then 'grant_not_active' end
$$;

-- Records a batch of decisions on calls. What the rules allowed is denied here where an order stands in the way, the grant or the task is not live,
-- the budget is spent, or the approval does not hold; budgets are spent and approvals used up for what stays allowed, and for nothing else.
-- p: {generation, rules_hash, origin, until: 'deny' | null, calls: [call_item]}. With `until: deny` nothing after the first call that is
-- not allowed is recorded or spent.
-- Returns {"codes": [null for allowed, else why not], "orders": [...]} for those recorded, in their sequence; or {"refused": "generation_behind"}.
create function record_calls(p jsonb) returns jsonb language plpgsql as $$
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
    || '"errors":' || case when e.errors = '[]' then '[]' else canonical(e.errors) end || ','
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

-- p: {decision, status, detail, happened_at, actor: {kind, trust, id}, origin}. Whether this workload may report it was held before.
-- Returns {"at"} or {"refused": "not_found" | "already_reported"}.
create function report_outcome(p jsonb) returns jsonb language plpgsql as $$
declare
  d decisions;
  reported timestamptz := clock_timestamp();
begin
  select * into d from decisions where id = p ->> 'decision' and action = 'call';
  if not found then
    return jsonb_build_object('refused', 'not_found');
  end if;
  insert into call_outcomes (decision_id, status, detail, happened_at, trust, subject, at)
  values (d.id, p ->> 'status', p ->> 'detail', (p ->> 'happened_at')::timestamptz, p #>> '{actor,trust}', p #>> '{actor,id}', reported)
  on conflict (decision_id) do nothing;
  if not found then
    return jsonb_build_object('refused', 'already_reported');
  end if;
  perform emit_event('call.reported', p -> 'actor', d.trust, d.subject, d.on_behalf_of, d.task_id, d.grant_id, d.id, p ->> 'origin', d.resource,
    p ->> 'status' <> 'failed',
    jsonb_build_object('status', p ->> 'status', 'detail', p ->> 'detail', 'happened_at', utc_text((p ->> 'happened_at')::timestamptz), 'decided', d.outcome));
  return jsonb_build_object('at', reported);
end $$;
