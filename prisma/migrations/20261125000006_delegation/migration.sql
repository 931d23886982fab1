-- Tasks that reach several environments, and remember who is on their chain; what is used after its end.

alter table tasks
  -- all environments that it reaches, its own included; null: its own alone
  add column environments jsonb check (jsonb_typeof(environments) = 'array' and environments ? environment),
  -- the workloads from the root to itself, as their evidence named them: [{"trust", "id", "issuer"?, "subject"?}]; empty where a
  -- version before this one made it
  add column chain        jsonb not null default '[]' check (jsonb_typeof(chain) = 'array');

-- For orders by principal; a name can be longer than an entry of a tree may be.
create index grants_live_on_behalf_of on grants using hash (on_behalf_of)
  where on_behalf_of is not null and state in ('pending_approval', 'issuing', 'active');

-- Makes a task, or hands a part of one on. p: {decision, task: {id, parent | null, trust, subject, on_behalf_of, principal, purpose, mode,
-- environment, environments, chain, ends_at, max_grants, max_calls, profiles, tools, parameters, max_ttl_seconds}, max_hops, origin}. That a
-- child is narrower than its parent was held before (what it is compared with never changes); what does change is held here:
-- the parent is open, has budget to give, and the chain neither loops nor grows too long.
-- Returns {"created_at", "ends_at"} or {"refused": code, ...}; a refusal is recorded as a decision.
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
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
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
  end;
  if refusal is not null then
    perform write_decision(d || jsonb_build_object('outcome', 'deny', 'code', refusal, 'task_id', parent.id), null, opened);
    return jsonb_strip_nulls(jsonb_build_object('refused', refusal, 'order', order_in_the_way));
  end if;
  perform write_decision(d || jsonb_build_object('task_id', t ->> 'id'), null, opened);
  insert into tasks (id, parent_id, root_id, path, implicit, trust, subject, on_behalf_of, principal, purpose, mode, environment, environments, chain,
    ends_at, max_grants, max_calls, profiles, tools, parameters, max_ttl_seconds, decision_id, state, created_at)
  values (t ->> 'id', parent.id, coalesce(parent.root_id, t ->> 'id'), chain, false, d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of',
    nullif(t -> 'principal', 'null'), t ->> 'purpose', t ->> 'mode', t ->> 'environment', nullif(t -> 'environments', 'null'),
    coalesce(t -> 'chain', '[]'), (t ->> 'ends_at')::timestamptz, (t ->> 'max_grants')::integer, (t ->> 'max_calls')::integer,
    nullif(t -> 'profiles', 'null'), nullif(t -> 'tools', 'null'), coalesce(t -> 'parameters', '{}'), (t ->> 'max_ttl_seconds')::integer, d ->> 'id', 'open', opened)
  returning * into k;
  perform emit_task_event(k, case when k.parent_id is null then 'task.created' else 'task.delegated' end, workload_actor(k.trust, k.subject), p ->> 'origin',
    jsonb_build_object('implicit', false, 'parent', k.parent_id, 'hop', cardinality(k.path) - 1, 'purpose', k.purpose, 'mode', k.mode,
      'environment', k.environment, 'environments', k.environments, 'ends_at', utc_text(k.ends_at), 'max_grants', k.max_grants, 'max_calls', k.max_calls,
      'profiles', k.profiles, 'tools', k.tools, 'parameters', k.parameters, 'max_ttl_seconds', k.max_ttl_seconds, 'principal', k.principal, 'chain', k.chain));
  return jsonb_build_object('created_at', opened, 'ends_at', k.ends_at);
end $$;

-- As before; and of a task that a single call makes for itself, whom it is for, until when, and whose evidence that is.
-- The intent: task (made here for a single call, or one that is there), decision, grant `issuing`, its first mint, their events. Where a
-- person has to approve first: grant `pending_approval` and what is asked, and no mint.
-- p: {decision, task: {id, purpose, mode, environment, on_behalf_of, principal, chain, ends_at, there: boolean}, grant: {id, profile, provider, owner, environment, effect,
-- parameters, ttl_seconds, ttl_decided_by, expires_at, revocability}, mint: {id, request, deadline_seconds, ends_at?} | null,
-- approval: {id, kind, asked_hash, asked, needs, chain, expires_at} | null, origin, idempotency: {key, request_hash} | null}.
-- Returns {"opened_at", "deadline", "epoch"} or {"refused": code, ...}; a refusal by an order or a task is recorded as a decision.
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
        'principal', nullif(t -> 'principal', 'null')));
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

-- Whether a task that was made beforehand counts right now: open, in time, and no order over it or anything above it.
-- Null when there is no such task.
create function task_is_active(wanted text) returns boolean language sql stable as $$
  select task_closed(k, clock_timestamp()) is null
     and blocking_order(k.subject, k.on_behalf_of, k.path, null, null, k.environment, null) is null
    from tasks k where k.id = wanted and not k.implicit
$$;

-- Something that was taken back was shown again. p: {grant | null, task | null, how, trust, subject, count, origin}: by whom, for what, and how
-- often since it was last written.
create function record_use_after_revocation(p jsonb) returns void language plpgsql as $$
declare
  g grants;
  k tasks;
begin
  select * into g from grants where id = p ->> 'grant';
  select * into k from tasks where id = coalesce(g.task_id, p ->> 'task');
  perform emit_event('use.after_revocation', workload_actor(p ->> 'trust', p ->> 'subject'), coalesce(g.trust, k.trust), coalesce(g.subject, k.subject),
    k.on_behalf_of, k.id, g.id, coalesce(g.decision_id, k.decision_id), p ->> 'origin', coalesce(g.profile, k.id), false,
    jsonb_build_object('how', p ->> 'how', 'count', (p ->> 'count')::integer, 'why', coalesce(g.why, k.ended_why)));
end $$;
