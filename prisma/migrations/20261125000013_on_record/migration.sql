-- What several transitions left out of the record, one function for every task, and months that are put away without holding up the rest.

create index tasks_principal on tasks (on_behalf_of, created_at desc, id) where on_behalf_of is not null and not implicit;

-- open_task asks about the orders over a parent itself.
drop function take_task(jsonb);

-- As before; and it may be asked for under a key, counts among those that its workload has open, and says what made it end when it does. Nothing
-- is handed on from a task that an order covers, also where the order names its holder: whoever receives it is not covered themselves.
-- Under a key whose task is open nothing is decided or counted: it is the same task.
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
  if exists (select 1 from idempotency_keys used join tasks before on before.id = used.task_id
      where used.trust = d ->> 'trust' and used.subject = d ->> 'subject' and used.key = i ->> 'key' and task_closed(before, opened) is null) then
    raise exception using errcode = 'WR409', message = 'idempotency key in use';
  end if;
  chain := coalesce(parent.path, '{}') || (t ->> 'id');
  order_in_the_way := blocking_order(d ->> 'subject', t ->> 'on_behalf_of', chain, null, null, t ->> 'environment', null);
  if order_in_the_way is null and parent.id is not null then
    order_in_the_way := blocking_order(parent.subject, null, '{}', null, null, parent.environment, null);
  end if;
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
      'environment', k.environment, 'environments', k.environments, 'ends_at', utc_text(k.ends_at), 'ends_at_decided_by', k.ends_at_decided_by,
      'max_grants', k.max_grants, 'max_calls', k.max_calls,
      'profiles', k.profiles, 'tools', k.tools, 'parameters', k.parameters, 'max_ttl_seconds', k.max_ttl_seconds, 'principal', k.principal, 'chain', k.chain));
  return jsonb_build_object('created_at', opened, 'ends_at', k.ends_at);
end $$;

-- As before, and it ends with the task of the call at the latest: what nothing hangs on any more is not to be answered.
create or replace function request_call_approval(p jsonb) returns jsonb language plpgsql as $$
declare
  d decisions;
  k tasks;
  there text;
  at timestamptz;
  order_in_the_way text;
  asked jsonb;
begin
  perform lock_rules_shared();
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
  if order_in_the_way is not null then
    return jsonb_build_object('refused', 'under_order', 'order', order_in_the_way);
  elsif k.id is not null and task_closed(k, at) is not null then
    return jsonb_build_object('refused', 'task_ended');
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

-- As before, and the event says when the credential itself ends; that the task had ended is on record too.
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
    perform write_decision(d || jsonb_build_object('task_id', g.task_id, 'outcome', 'deny', 'code', 'task_ended'), g.id, opened);
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

-- As before, and the event says whose answer is wanted, who is on the way to whoever asks, and who is to be told.
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
      'chain', coalesce(a -> 'chain', '[]'), 'asked_by', a #> '{asked,asked_by}', 'notify', coalesce(a -> 'notify', '[]')));
  perform pg_notify('writ', 'approval');
end $$;


create or replace function archive_events(wanted text, written bigint, digest text, asked text) returns text language plpgsql as $$
declare
  part text := 'events_' || replace(wanted, '-', '');
  r archive_requests;
  refusal text;
  there bigint;
  which int8multirange;
  behind jsonb;
  given_up integer;
begin
  -- Under this lock no request is used twice. Nothing is locked by row or written before the month was read: with a transaction id of its own this
  -- would hold up the sealing of every event meanwhile.
  perform lock_holds();
  select * into r from archive_requests where id = asked and month = wanted and used_at is null and asked_at > clock_timestamp() - interval '1 hour';
  if r.id is null then
    return 'unasked';
  end if;
  refusal := archive_refused(wanted, r.forced);
  if refusal is not null then
    return refusal;
  end if;
  -- as ranges, whose number is that of the gaps and not that of the events
  execute format('select coalesce(sum(n), 0), coalesce(range_agg(int8range(first, last + 1)), ''{}'') from (
      select count(*) as n, min(leaf) as first, max(leaf) as last
        from (select leaf, leaf - row_number() over (order by leaf) as island from %I) as numbered group by island) as islands', part)
    into there, which;
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
