-- Tasks that are asked for again under a key, how many of them a workload may have open, and the list of them.

alter table tasks
  -- what made it end when it does: `request`, `default`, `max`, `policy:<id>`, `principal`, `parent`; none where a version before this one made it,
  -- and of a task that a single call made for itself
  add column ends_at_decided_by text;
create index tasks_open on tasks (trust, subject) where state = 'open' and not implicit;
create index tasks_newest on tasks (created_at desc, id) where not implicit;

-- A key belongs to a workload, whatever it asks for under it: a grant, or a task.
alter table idempotency_keys
  alter column grant_id drop not null,
  add column task_id text references tasks (id),
  add constraint idempotency_keys_of_one check (num_nonnulls(grant_id, task_id) = 1);
grant update (task_id) on idempotency_keys to writ_broker;

-- One workload opens one task after another, so that what is counted is what there is. Behind the lock of the rules, before that of a tree.
create function lock_openings(trust text, subject text) returns void language sql as
$$ select pg_advisory_xact_lock(1465010519, hashtext(trust || ' ' || subject)) $$;

-- Tasks that a workload has open, counted up to `most`; those that single calls have made for themselves are not among them.
create function open_tasks(trust text, subject text, most integer, at timestamptz) returns bigint language sql stable as $$
  select count(*) from (select 1 from tasks k where k.trust = $1 and k.subject = $2 and k.state = 'open' and not k.implicit
    and task_closed(k, at) is null limit most) as open
$$;

-- As before; and it may be asked for under a key, counts among those that its workload has open, and says what made it end when it does.
-- p: {decision, task: {id, parent | null, trust, subject, on_behalf_of, principal, purpose, mode, environment, environments, chain, ends_at,
-- ends_at_decided_by, max_grants, max_calls, profiles, tools, parameters, max_ttl_seconds}, max_hops, max_open, origin,
-- idempotency: {key, request_hash} | null}.
-- Returns {"created_at", "ends_at"} or {"refused": code, ...}; a refusal is recorded as a decision. What is under way under the key raises WR409.
create or replace function open_task(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  t jsonb := p -> 'task';
  parent tasks;
  k tasks;
  chain text[];
  opened timestamptz;
  order_in_the_way text;
  refusal text;
  most integer := (p ->> 'max_open')::integer;
  i jsonb := p -> 'idempotency';
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  perform lock_openings(d ->> 'trust', d ->> 'subject');
  if t ->> 'parent' is not null then
    perform lock_tree_shared((select root_id from tasks where id = t ->> 'parent'));
    select * into parent from tasks where id = t ->> 'parent';
  end if;
  opened := clock_timestamp();
  chain := coalesce(parent.path, '{}') || (t ->> 'id');
  order_in_the_way := blocking_order(d ->> 'subject', t ->> 'on_behalf_of', chain, null, null, t ->> 'environment', null);
  refusal := case
    when order_in_the_way is not null then 'under_order'
    when t ->> 'parent' is not null and task_closed(parent, opened) is not null then task_closed(parent, opened)
    when (t ->> 'ends_at')::timestamptz <= opened then 'task_ended'
    when cardinality(chain) - 1 > (p ->> 'max_hops')::integer then 'too_many_hops'
    when exists (select 1 from tasks where id = any (parent.path) and trust = d ->> 'trust' and subject = d ->> 'subject') then 'delegation_loop'
    when (t ->> 'max_grants')::integer > parent.max_grants - parent.grants_used or (t ->> 'max_calls')::integer > parent.max_calls - parent.calls_used
      then 'task_budget_spent'
    when open_tasks(d ->> 'trust', d ->> 'subject', most, opened) >= most then 'too_many_open_tasks'
  end;
  if refusal is not null then
    perform write_decision(d || jsonb_build_object('outcome', 'deny', 'code', refusal, 'task_id', parent.id), null, opened);
    return jsonb_strip_nulls(jsonb_build_object('refused', refusal, 'order', order_in_the_way,
      'limit', case refusal when 'too_many_open_tasks' then most end));
  end if;
  perform write_decision(d || jsonb_build_object('task_id', t ->> 'id'), null, opened);
  insert into tasks (id, parent_id, root_id, path, implicit, trust, subject, on_behalf_of, principal, purpose, mode, environment, environments, chain,
    ends_at, ends_at_decided_by, max_grants, max_calls, profiles, tools, parameters, max_ttl_seconds, decision_id, state, created_at)
  values (t ->> 'id', parent.id, coalesce(parent.root_id, t ->> 'id'), chain, false, d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of',
    nullif(t -> 'principal', 'null'), t ->> 'purpose', t ->> 'mode', t ->> 'environment', nullif(t -> 'environments', 'null'),
    coalesce(t -> 'chain', '[]'), (t ->> 'ends_at')::timestamptz, t ->> 'ends_at_decided_by', (t ->> 'max_grants')::integer, (t ->> 'max_calls')::integer,
    nullif(t -> 'profiles', 'null'), nullif(t -> 'tools', 'null'), coalesce(t -> 'parameters', '{}'), (t ->> 'max_ttl_seconds')::integer, d ->> 'id', 'open', opened)
  returning * into k;
  if jsonb_typeof(i) is not distinct from 'object' then
    insert into idempotency_keys (trust, subject, key, request_hash, task_id, created_at)
    values (k.trust, k.subject, i ->> 'key', i ->> 'request_hash', k.id, opened)
    on conflict (trust, subject, key) do update set task_id = excluded.task_id, created_at = excluded.created_at
      where idempotency_keys.request_hash = excluded.request_hash
        and (select task_closed(before, opened) from tasks before where before.id = idempotency_keys.task_id) is not null;
    if not found then
      raise exception using errcode = 'WR409', message = 'idempotency key in use';
    end if;
  end if;
  perform emit_task_event(k, case when k.parent_id is null then 'task.created' else 'task.delegated' end, workload_actor(k.trust, k.subject), p ->> 'origin',
    jsonb_build_object('implicit', false, 'parent', k.parent_id, 'hop', cardinality(k.path) - 1, 'purpose', k.purpose, 'mode', k.mode,
      'environment', k.environment, 'environments', k.environments, 'ends_at', utc_text(k.ends_at), 'max_grants', k.max_grants, 'max_calls', k.max_calls,
      'profiles', k.profiles, 'tools', k.tools, 'parameters', k.parameters, 'max_ttl_seconds', k.max_ttl_seconds, 'principal', k.principal, 'chain', k.chain));
  return jsonb_build_object('created_at', opened, 'ends_at', k.ends_at);
end $$;
