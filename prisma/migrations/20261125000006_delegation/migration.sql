-- Tasks that reach several environments, and remember who is on their chain; what is used after its end.

alter table tasks
  -- all environments that it reaches, its own included; null: its own alone
  add column environments jsonb check (jsonb_typeof(environments) = 'array' and environments ? environment),
  -- the workloads from the root to itself, as their evidence named them: [{"trust", "id", "issuer"?, "subject"?}]; empty where a
  -- single call made it for itself
  add column chain        jsonb not null default '[]' check (jsonb_typeof(chain) = 'array');

-- For orders by principal.
create index grants_live_on_behalf_of on grants (on_behalf_of)
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
