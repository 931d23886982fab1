-- What waits for a person is counted for its limit behind the lock of the workload's openings: of those that ask at one moment none passes it.
-- That lock comes behind the one of the rules and before that of a tree, as in `open_task`.

-- As before, with that lock where a person has to approve first.
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
  if waits then
    perform lock_openings(d ->> 'trust', d ->> 'subject');
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

-- As before, with that lock.
-- p: {decision, refusal, trust, subject, owner, environment, approval: as in request_approval, origin}.
create or replace function request_call_approval(p jsonb) returns jsonb language plpgsql as $$
declare
  d decisions;
  k tasks;
  there text;
  at timestamptz;
  order_in_the_way text;
  refusal text;
  asked jsonb;
begin
  perform lock_rules_shared();
  perform lock_openings(p ->> 'trust', p ->> 'subject');
  select * into d from decisions where id = p ->> 'decision';
  if d.id is null or d.action <> 'call' or d.outcome <> 'approval' or d.trust <> p ->> 'trust' or d.subject <> p ->> 'subject' then
    return jsonb_build_object('refused', 'not_found');
  end if;
  if d.task_id is not null then
    perform lock_tree_shared((select root_id from tasks where id = d.task_id));
    select * into k from tasks where id = d.task_id;
  end if;
  perform pg_advisory_xact_lock(1465010518, hashtext(d.id));
  at := clock_timestamp();
  select id into there from approvals where decision_id = d.id and kind = 'call';
  if there is not null then
    return jsonb_build_object('id', there);
  end if;
  order_in_the_way := blocking_order(d.subject, d.on_behalf_of, coalesce(k.path, '{}'), null, p ->> 'owner', p ->> 'environment', null);
  refusal := case when order_in_the_way is not null then 'under_order' when k.id is not null then task_closed(k, at) end;
  if refusal is not null then
    -- The version before gives no id.
    if p ->> 'refusal' is not null then
      perform deny_again(d, p ->> 'refusal', refusal, p #> '{approval,asked,asked_by}', at, p ->> 'origin');
    end if;
    return jsonb_strip_nulls(jsonb_build_object('refused', refusal, 'order', order_in_the_way));
  end if;
  asked := p -> 'approval';
  if k.ends_at < (asked ->> 'expires_at')::timestamptz then
    asked := asked || jsonb_build_object('expires_at', utc_text(k.ends_at));
  end if;
  perform request_approval(asked,
    jsonb_build_object('id', d.id, 'trust', d.trust, 'subject', d.subject, 'on_behalf_of', d.on_behalf_of, 'resource', d.resource),
    (select id from grants where id = d.grant_id), k.id, p ->> 'owner', p ->> 'environment', at, p ->> 'origin');
  return jsonb_build_object('id', p #>> '{approval,id}');
end $$;
