-- Tasks that are made beforehand, handed on and ended; grants that wait for a person's approval.
--
-- Locks, always in this sequence: the rules (1465010516/1), a task tree (1465010517/its root), rows of tasks from the root
-- down, a grant's row. A tree is locked shared by whatever hangs something on it, and exclusively by whatever ends a part of it.

-- What a task allows below it; null: no bound of its own. A child's bounds lie within its parent's.
alter table tasks
  add column profiles        jsonb check (jsonb_typeof(profiles) = 'array'),
  add column tools           jsonb check (jsonb_typeof(tools) = 'array'),
  -- what a parameter may be, where a task binds it: {"month": ["2026-11"]}
  add column parameters      jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
  add column max_ttl_seconds integer check (max_ttl_seconds > 0),
  -- on whose behalf: {"id"} as named by the workload, and {"trust", "issuer", "subject"} beside it where a token was verified
  add column principal       jsonb,
  -- the decision that made it; none for a task that a single call made for itself
  add column decision_id     text references decisions (id),
  -- nothing that hung off it is live any more
  add column swept_at        timestamptz,
  add constraint tasks_decided check (implicit = (decision_id is null)),
  add constraint tasks_ended_whole check ((state = 'ended') = (ended_at is not null) and (state = 'ended') = (ended_why is not null)),
  add constraint tasks_swept_when_ended check (swept_at is null or state = 'ended');
create index tasks_due on tasks (ends_at) where state = 'open' and ends_at is not null;
create index tasks_unswept on tasks (ended_at) where state = 'ended' and swept_at is null;
create index tasks_subject on tasks (subject, created_at) where not implicit;

-- A task that has ended stays so.
create function tasks_guard() returns trigger language plpgsql as $$
begin
  if old.state = 'ended' and new.state <> 'ended' then
    raise exception 'task % has ended', old.id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger tasks_step before update of state on tasks for each row execute function tasks_guard();

-- What a decision is about, beside its inputs: the mode of its task is on every one.
alter table decisions
  add column grant_id       text,
  add column mode           text check (mode in ('observe', 'supervised', 'autonomous')),
  add column on_behalf_of   text,
  add column approval_id    text,
  add column exception_id   text,
  -- of a call: SHA-256 over the canonical JSON of its arguments, and the arguments where the tool's file says so
  add column arguments_hash text,
  add column arguments      jsonb;
create index decisions_at on decisions (at, id);

-- An approval is of an issuance or of a call, and says enough to be shown, restricted and found without its request.
alter table approvals
  add column kind         text not null default 'issue' check (kind in ('issue', 'call')),
  add column trust        text not null default '',
  add column subject      text not null default '',
  add column on_behalf_of text,
  add column task_id      text references tasks (id),
  add column resource     text not null default '',
  add column owner        text not null default '',
  add column environment  text not null default '',
  -- who is on the chain of the request, and may therefore not answer it: [{"issuer", "subject"}]
  add column chain        jsonb not null default '[]',
  add column closed_at    timestamptz,
  add constraint approvals_grant_of_issue check (kind = 'call' or grant_id is not null),
  add constraint approvals_consumed_when check ((state = 'consumed') = (consumed_at is not null));
create unique index approvals_grant on approvals (grant_id) where grant_id is not null;
create unique index approvals_call on approvals (decision_id) where kind = 'call';
create index approvals_open on approvals (created_at desc, id) where state = 'pending';
create trigger approval_answers_are_kept before update or delete on approval_answers for each row execute function refuse_change();

-- pending_approval begins and ends in an approval's own time.
create index grants_waiting on grants (expires_at) where state = 'pending_approval';

grant update (swept_at) on tasks to writ_broker;
grant update (ttl_seconds, ttl_decided_by, revocability, decision_id, opened_at) on grants to writ_broker;
grant update (closed_at) on approvals to writ_broker;

-- Writes a decision and its event. `d` has the columns of decisions by name, `outcome` and `code` included.
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
      'rules_hash', d ->> 'rules_hash', 'policies', d -> 'policies', 'errors', d -> 'errors', 'mode', d ->> 'mode', 'approval', d ->> 'approval_id',
      'exception', d ->> 'exception_id', 'arguments_hash', d ->> 'arguments_hash', 'inputs_hash',
      encode(sha256(convert_to(canonical(d -> 'inputs'), 'UTF8')), 'hex')));
end $$;

create function lock_tree_shared(root text) returns void language sql as $$ select pg_advisory_xact_lock_shared(1465010517, hashtext(root)) $$;
create function lock_tree(root text) returns void language sql as $$ select pg_advisory_xact_lock(1465010517, hashtext(root)) $$;

create function emit_task_event(k tasks, event_type text, actor jsonb, origin text, facts jsonb) returns void language plpgsql as $$
begin
  perform emit_event(event_type, actor, k.trust, k.subject, k.on_behalf_of, k.id, null, k.decision_id, origin, k.id, true, facts);
end $$;

-- Why nothing may be hung on a task, or null. Ending a task ends all below it in the same transaction, so its own row is enough;
-- an ancestor's deadline is one of its own, because a child's deadline lies within its parent's.
create function task_closed(k tasks, at timestamptz) returns text language sql immutable as $$
  select case when k.id is null then 'task_not_found' when k.state <> 'open' or k.ends_at <= at then 'task_ended' end
$$;

-- Takes one from the budget of a task and of all above it: 'grants' or 'calls'. Null, or 'task_budget_spent' with nothing taken.
-- Trees without a budget are not written to, so that their branches do not wait for each other.
create function spend_budget(k tasks, what text, wanted integer) returns text language plpgsql as $$
begin
  if not exists (select 1 from tasks where id = any (k.path) and case what when 'grants' then max_grants else max_calls end is not null) then
    return null;
  end if;
  perform 1 from tasks where id = any (k.path) order by cardinality(path) for update;
  if what = 'grants' then
    if exists (select 1 from tasks where id = any (k.path) and grants_used + wanted > max_grants) then
      return 'task_budget_spent';
    end if;
    update tasks set grants_used = grants_used + wanted where id = any (k.path);
  else
    if exists (select 1 from tasks where id = any (k.path) and calls_used + wanted > max_calls) then
      return 'task_budget_spent';
    end if;
    update tasks set calls_used = calls_used + wanted where id = any (k.path);
  end if;
  return null;
end $$;

-- Makes a task, or hands a part of one on. p: {decision, task: {id, parent | null, trust, subject, on_behalf_of, principal, purpose, mode,
-- environment, ends_at, max_grants, max_calls, profiles, tools, parameters, max_ttl_seconds}, max_hops, origin}. That a child is
-- narrower than its parent was held before (what it is compared with never changes); what does change is held here: the
-- parent is open, has budget to give, and the chain neither loops nor grows too long.
-- Returns {"created_at", "ends_at"} or {"refused": code, ...}; a refusal is recorded as a decision.
create function open_task(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  t jsonb := p -> 'task';
  parent tasks;
  k tasks;
  tree text := t ->> 'id';
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
    select root_id into tree from tasks where id = t ->> 'parent';
    perform lock_tree_shared(tree);
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
  insert into tasks (id, parent_id, root_id, path, implicit, trust, subject, on_behalf_of, principal, purpose, mode, environment, ends_at, max_grants, max_calls,
    profiles, tools, parameters, max_ttl_seconds, decision_id, state, created_at)
  values (t ->> 'id', parent.id, coalesce(parent.root_id, t ->> 'id'), chain, false, d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of',
    nullif(t -> 'principal', 'null'), t ->> 'purpose', t ->> 'mode', t ->> 'environment', (t ->> 'ends_at')::timestamptz, (t ->> 'max_grants')::integer,
    (t ->> 'max_calls')::integer,
    nullif(t -> 'profiles', 'null'), nullif(t -> 'tools', 'null'), coalesce(t -> 'parameters', '{}'), (t ->> 'max_ttl_seconds')::integer, d ->> 'id', 'open', opened)
  returning * into k;
  perform emit_task_event(k, case when k.parent_id is null then 'task.created' else 'task.delegated' end, workload_actor(k.trust, k.subject), p ->> 'origin',
    jsonb_build_object('implicit', false, 'parent', k.parent_id, 'hop', cardinality(k.path) - 1, 'purpose', k.purpose, 'mode', k.mode,
      'environment', k.environment, 'ends_at', utc_text(k.ends_at), 'max_grants', k.max_grants, 'max_calls', k.max_calls, 'profiles', k.profiles, 'tools', k.tools, 'parameters', k.parameters, 'max_ttl_seconds', k.max_ttl_seconds, 'principal', k.principal));
  return jsonb_build_object('created_at', opened, 'ends_at', k.ends_at);
end $$;

-- Ends up to `batch` grants below a task that has ended. Returns {"moved", "done"}; `done` marks it as swept.
create function sweep_task(wanted text, batch integer) returns jsonb language plpgsql as $$
declare
  k tasks;
  g grants;
  moved integer := 0;
  remain boolean;
  actor jsonb := system_actor('broker');
begin
  select * into k from tasks where id = wanted;
  for g in select * from grants where task_id in (select descendants(wanted)) and state in ('pending_approval', 'issuing', 'active')
    limit batch for update skip locked
  loop
    if g.state = 'pending_approval' then
      perform refuse_pending(g, actor, null, 'task_ended', null);
    else
      perform begin_ending(g, 'task_ended', null, k.ended_why, actor, null);
    end if;
    moved := moved + 1;
  end loop;
  remain := exists (select 1 from grants where task_id in (select descendants(wanted)) and state in ('pending_approval', 'issuing', 'active'));
  if not remain then
    update tasks set swept_at = clock_timestamp() where id in (select descendants(wanted)) and swept_at is null and state = 'ended';
  end if;
  return jsonb_build_object('moved', moved, 'done', not remain);
end $$;

-- Ends a task and all below it, and what hangs off them up to `batch`; the reaper goes on. p: {task, trust?, subject?, why: ended | deadline | revoked,
-- reason, actor, origin, batch}. trust and subject restrict it to whoever owns the task or one above it.
-- Returns {"state", "tasks", "moved", "done"} or {"refused": "not_found"}. Ending twice is harmless.
create function end_task(p jsonb) returns jsonb language plpgsql as $$
declare
  k tasks;
  below tasks;
  n integer := 0;
  swept jsonb;
begin
  select * into k from tasks where id = p ->> 'task';
  if k.id is null or (p ->> 'subject' is not null and not exists (
    select 1 from tasks where id = any (k.path) and trust = p ->> 'trust' and subject = p ->> 'subject')) then
    return jsonb_build_object('refused', 'not_found');
  end if;
  perform lock_tree(k.root_id);
  for below in select * from tasks where id in (select descendants(k.id)) and state = 'open' order by cardinality(path) for update loop
    update tasks set state = 'ended', ended_at = clock_timestamp(), ended_why = p ->> 'why' where id = below.id returning * into below;
    perform emit_task_event(below, 'task.ended', p -> 'actor', p ->> 'origin',
      jsonb_build_object('why', p ->> 'why', 'reason', p ->> 'reason', 'with', nullif(k.id, below.id)));
    n := n + 1;
  end loop;
  swept := sweep_task(k.id, (p ->> 'batch')::integer);
  return jsonb_build_object('state', 'ended', 'tasks', n) || swept;
end $$;

-- Tasks whose deadline has passed, and tasks that have ended with something left. Returns how many grants were moved.
create function advance_tasks(batch integer) returns integer language plpgsql as $$
declare
  k record;
  moved integer := 0;
  at timestamptz := clock_timestamp();
begin
  for k in select id from tasks where state = 'open' and ends_at <= at order by ends_at limit batch loop
    -- another replica at the same tree: it comes round again
    moved := moved + coalesce((end_task(jsonb_build_object('task', k.id, 'why', 'deadline', 'actor', system_actor('reaper'), 'batch', batch)) ->> 'moved')::integer, 0);
  end loop;
  for k in select id from tasks where state = 'ended' and swept_at is null order by ended_at limit batch loop
    moved := moved + (sweep_task(k.id, batch) ->> 'moved')::integer;
  end loop;
  return moved;
end $$;

-- A grant that waits for an approval and will not get it. The caller holds the grant's row.
create function refuse_pending(g grants, actor jsonb, order_id text, reason text, origin text) returns void language plpgsql as $$
begin
  update grants set state = 'refused', order_id = refuse_pending.order_id, reason = refuse_pending.reason, closed_at = clock_timestamp()
   where id = g.id returning * into g;
  update approvals set state = 'lapsed', closed_at = clock_timestamp() where approvals.grant_id = g.id and state in ('pending', 'approved');
  perform emit_grant_event(g, 'grant.refused', actor, origin, true, jsonb_build_object('order', g.order_id, 'reason', g.reason));
end $$;

-- Inserts an approval that is asked for. `a`: {id, kind, asked_hash, asked, needs, chain, expires_at}.
create function request_approval(a jsonb, d jsonb, of_grant text, task text, owner text, environment text, at timestamptz, origin text) returns void
language plpgsql as $$
begin
  insert into approvals (id, kind, decision_id, grant_id, asked_hash, asked, state, needs, created_at, expires_at, trust, subject, on_behalf_of, task_id, resource,
    owner, environment, chain)
  values (a ->> 'id', a ->> 'kind', d ->> 'id', of_grant, a ->> 'asked_hash', a -> 'asked', 'pending', a -> 'needs', request_approval.at,
    (a ->> 'expires_at')::timestamptz, d ->> 'trust', d ->> 'subject', d ->> 'on_behalf_of', task, d ->> 'resource', request_approval.owner,
    request_approval.environment, coalesce(a -> 'chain', '[]'));
  perform emit_event('approval.requested', workload_actor(d ->> 'trust', d ->> 'subject'), d ->> 'trust', d ->> 'subject', d ->> 'on_behalf_of', task, of_grant,
    d ->> 'id', origin, a ->> 'id', true,
    jsonb_build_object('approval', a ->> 'id', 'kind', a ->> 'kind', 'asked_hash', a ->> 'asked_hash', 'needs', a -> 'needs', 'resource', d ->> 'resource',
      'expires_at', utc_text((a ->> 'expires_at')::timestamptz)));
  perform pg_notify('writ', 'approval');
end $$;

-- The intent: task (made here for a single call, or one that is there), decision, grant `issuing`, its first mint, their events. Where a
-- person has to approve first: grant `pending_approval` and what is asked, and no mint.
-- p: {decision, task: {id, purpose, mode, environment, on_behalf_of, there: boolean}, grant: {id, profile, provider, owner, environment, effect,
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
    insert into tasks (id, root_id, path, implicit, trust, subject, on_behalf_of, purpose, mode, environment, grants_used, state, created_at)
    values (t ->> 'id', t ->> 'id', chain, true, d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of', t ->> 'purpose', t ->> 'mode',
      t ->> 'environment', 1, 'open', opened);
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
      jsonb_build_object('implicit', true, 'purpose', t ->> 'purpose', 'mode', t ->> 'mode', 'environment', t ->> 'environment'));
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

create function open_first_mint(g grants, m jsonb, last_moment timestamptz, opened timestamptz, actor jsonb, origin text) returns void language plpgsql as $$
begin
  insert into mints (id, grant_id, kind, provider, state, due_at, deadline, ends_at, request, opened_at)
  values (m ->> 'id', g.id, 'first', g.provider, 'intent', last_moment, last_moment, coalesce((m ->> 'ends_at')::timestamptz, g.expires_at),
    m -> 'request', opened);
  perform emit_grant_event(g, 'grant.opened', actor, origin, true,
    jsonb_build_object('mint', m ->> 'id', 'provider', g.provider, 'owner', g.owner, 'environment', g.environment, 'effect', g.effect,
      'parameters', g.parameters, 'ttl_seconds', g.ttl_seconds, 'ttl_decided_by', g.ttl_decided_by, 'expires_at', utc_text(g.expires_at),
      'revocability', g.revocability));
end $$;

-- An approved grant is claimed: decided again, its approval consumed, and its mint intended, in one transaction.
-- p: {grant, decision, approval, asked_hash, ttl: {ends_at, seconds, decided_by}, revocability, mint, origin}.
-- Returns as open_grant. Whatever does not hold any more is a refusal, and is recorded as a decision.
create function claim_grant(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  m jsonb := p -> 'mint';
  g grants;
  task tasks;
  a approvals;
  opened timestamptz;
  last_moment timestamptz;
  order_in_the_way text;
  refusal text;
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  perform lock_tree_shared((select root_id from tasks join grants on grants.task_id = tasks.id where grants.id = p ->> 'grant'));
  select tasks.* into task from tasks join grants on grants.task_id = tasks.id where grants.id = p ->> 'grant';
  select * into g from grants where id = p ->> 'grant' and trust = d ->> 'trust' and subject = d ->> 'subject' for update;
  select * into a from approvals where grant_id = g.id for update;
  opened := clock_timestamp();
  if g.id is null then
    return jsonb_build_object('refused', 'not_found');
  elsif g.state <> 'pending_approval' then
    return jsonb_build_object('refused', 'grant_not_active');
  elsif a.state = 'pending' and a.expires_at > opened then
    return jsonb_build_object('refused', 'approval_pending');
  end if;
  if (p #>> '{ttl,ends_at}')::timestamptz > opened + make_interval(secs => (p #>> '{ttl,seconds}')::integer + 2) then
    return jsonb_build_object('refused', 'clock_skew');
  end if;
  order_in_the_way := blocking_order(g.subject, g.on_behalf_of, g.task_path, g.profile, g.owner, g.environment, g.provider);
  refusal := case
    when order_in_the_way is not null then 'under_order'
    when a.state <> 'approved' or a.expires_at <= opened or a.id <> p ->> 'approval' or a.asked_hash <> p ->> 'asked_hash' then 'approval_required'
    when not task.implicit then coalesce(task_closed(task, opened), spend_budget(task, 'grants', 1))
  end;
  if refusal is not null then
    perform write_decision(d || jsonb_build_object('outcome', 'deny', 'code', refusal, 'task_id', g.task_id), g.id, opened);
    return jsonb_strip_nulls(jsonb_build_object('refused', refusal, 'order', order_in_the_way));
  end if;
  last_moment := opened + make_interval(secs => (m ->> 'deadline_seconds')::double precision);
  perform write_decision(d || jsonb_build_object('task_id', g.task_id, 'approval_id', a.id), g.id, opened);
  update approvals set state = 'consumed', consumed_at = opened, closed_at = opened where id = a.id;
  update grants set state = 'issuing', decision_id = d ->> 'id', opened_at = opened, expires_at = (p #>> '{ttl,ends_at}')::timestamptz,
      ttl_seconds = (p #>> '{ttl,seconds}')::integer, ttl_decided_by = p #>> '{ttl,decided_by}', revocability = p -> 'revocability'
   where id = g.id returning * into g;
  perform emit_grant_event(g, 'approval.consumed', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('approval', a.id, 'asked_hash', a.asked_hash));
  perform open_first_mint(g, m, last_moment, opened, workload_actor(g.trust, g.subject), p ->> 'origin');
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
end $$;

-- A person's answer. p: {approval, answer: approve | deny, reason, actor: {kind, issuer, subject}, origin}. Whether this person may answer
-- (role, owner, environment) was held before; that it is nobody on the request's chain is held here too.
-- Returns {"state"} or {"refused": "not_found" | "approval_closed" | "own_request" | "already_answered"}; refusals are on record.
create function answer_approval(p jsonb) returns jsonb language plpgsql as $$
declare
  a approvals;
  g grants;
  who jsonb := jsonb_build_object('issuer', p #> '{actor,issuer}', 'subject', p #> '{actor,subject}');
  approved integer;
  refusal text;
  answered timestamptz;
begin
  select g1.* into g from grants g1 join approvals a1 on a1.grant_id = g1.id where a1.id = p ->> 'approval' for update of g1;
  select * into a from approvals where id = p ->> 'approval' for update;
  answered := clock_timestamp();
  if a.id is null then
    return jsonb_build_object('refused', 'not_found');
  end if;
  refusal := case
    when a.state <> 'pending' or a.expires_at <= answered then 'approval_closed'
    when a.chain @> jsonb_build_array(who) then 'own_request'
    when exists (select 1 from approval_answers where approval_id = a.id and issuer = who ->> 'issuer' and subject = who ->> 'subject') then 'already_answered'
  end;
  if refusal is null then
    insert into approval_answers (approval_id, issuer, subject, answer, reason, at)
    values (a.id, who ->> 'issuer', who ->> 'subject', p ->> 'answer', p ->> 'reason', answered);
    select count(*) into approved from approval_answers where approval_id = a.id and answer = 'approve';
    update approvals set state = case when p ->> 'answer' = 'deny' then 'denied' when approved >= (a.needs ->> 'count')::integer then 'approved' else 'pending' end,
        closed_at = case when p ->> 'answer' = 'deny' then answered end
     where id = a.id returning * into a;
  end if;
  perform emit_event('approval.answered', p -> 'actor', a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, p ->> 'origin', a.id, refusal is null,
    jsonb_build_object('approval', a.id, 'answer', p ->> 'answer', 'reason', p ->> 'reason', 'state', a.state, 'code', refusal));
  if refusal is not null then
    return jsonb_build_object('refused', refusal);
  end if;
  if a.state = 'denied' and g.state = 'pending_approval' then
    update grants set state = 'refused', reason = p ->> 'reason', closed_at = answered where id = g.id returning * into g;
    perform emit_grant_event(g, 'grant.refused', p -> 'actor', p ->> 'origin', true, jsonb_build_object('order', g.order_id, 'reason', g.reason));
  end if;
  perform pg_notify('writ', 'approval');
  return jsonb_build_object('state', a.state);
end $$;

-- Approvals whose time has passed, with the grants that waited for them. Returns how many.
create function lapse_approvals(batch integer) returns integer language plpgsql as $$
declare
  a approvals;
  g grants;
  lapsed integer := 0;
  at timestamptz := clock_timestamp();
  reaper jsonb := system_actor('reaper');
begin
  for g in select * from grants where state = 'pending_approval' and expires_at <= at order by expires_at limit batch for update skip locked loop
    update grants set state = 'lapsed', closed_at = clock_timestamp() where id = g.id returning * into g;
    perform emit_grant_event(g, 'grant.lapsed', reaper, null, true, '{}'::jsonb);
  end loop;
  for a in select * from approvals where (state = 'pending' or (state = 'approved' and kind = 'call')) and expires_at <= at
    or (state = 'approved' and kind = 'issue' and exists (select 1 from grants where grants.id = grant_id and grants.state = 'lapsed'))
    order by expires_at limit batch for update skip locked
  loop
    update approvals set state = 'lapsed', closed_at = clock_timestamp() where id = a.id;
    perform emit_event('approval.lapsed', reaper, a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, null, a.id, true,
      jsonb_build_object('approval', a.id));
    lapsed := lapsed + 1;
  end loop;
  return lapsed;
end $$;

-- The credential exists; may it be handed out? p: {mint, epoch, handle, expires_at, origin}.
-- Returns {"issued_at", "expires_at"}, or {"refused": "superseded" | "under_order" | "task_ended"}: throw the secret away and end the mint.
create or replace function activate_mint(p jsonb) returns jsonb language plpgsql as $$
declare
  m mints;
  g grants;
  at timestamptz;
  order_in_the_way text;
  actor jsonb;
begin
  perform lock_rules_shared();
  select g1.* into g from grants g1 join mints m1 on m1.grant_id = g1.id where m1.id = p ->> 'mint' for update of g1;
  select * into m from mints where id = p ->> 'mint';
  at := clock_timestamp();
  if m.id is null or m.state <> 'intent' or m.epoch <> (p ->> 'epoch')::integer or at >= m.deadline or at >= m.ends_at
    or g.state not in ('issuing', 'active') or (g.state = 'active' and g.expires_at <= at) then
    return jsonb_build_object('refused', 'superseded');
  end if;
  actor := workload_actor(g.trust, g.subject);
  if task_closed((select t from tasks t where t.id = g.task_id), at) is not null then
    perform begin_ending(g, 'task_ended', null, null, system_actor('broker'), null);
    return jsonb_build_object('refused', 'task_ended');
  end if;
  order_in_the_way := blocking_order(g.subject, g.on_behalf_of, g.task_path, g.profile, g.owner, g.environment, g.provider);
  if order_in_the_way is not null then
    perform begin_ending(g, 'order', order_in_the_way, null, system_actor('broker'), null);
    return jsonb_build_object('refused', 'under_order', 'order', order_in_the_way);
  end if;
  update mints set state = 'live', handle = p -> 'handle', activated_at = at, due_at = m.ends_at where id = m.id;
  if g.state = 'issuing' then
    update grants set state = 'active', issued_at = at where id = g.id returning * into g;
    perform emit_grant_event(g, 'grant.activated', actor, p ->> 'origin', true,
      jsonb_build_object('mint', m.id, 'handle', p -> 'handle', 'expires_at', utc_text(g.expires_at), 'credential_expires_at', p ->> 'expires_at'));
  else
    if m.grant_ends_at is not null then
      update grants set expires_at = greatest(expires_at, m.grant_ends_at) where id = g.id returning * into g;
    elsif m.kind <> 'child' then
      update grants set expires_at = (select max(ends_at) from mints where grant_id = g.id and state not in ('intent', 'ending', 'ended'))
       where id = g.id returning * into g;
    end if;
    perform emit_grant_event(g, 'mint.activated', actor, p ->> 'origin', true,
      jsonb_build_object('mint', m.id, 'kind', m.kind, 'handle', p -> 'handle', 'expires_at', utc_text(g.expires_at), 'credential_expires_at', p ->> 'expires_at'));
  end if;
  return jsonb_build_object('issued_at', at, 'expires_at', g.expires_at);
end $$;

-- One more mint of an active grant. p: {grant, trust, subject, decision, kind, ttl: {ends_at, seconds, decided_by}, mint: {id, request, deadline_seconds, ends_at?}, origin}.
-- Returns as open_grant. One mint at a time: a second request meanwhile is `request_in_progress`. So is a replacement while
-- anything of the grant lives: of two repeats of a request that both saw it end, one alone mints again.
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
      'expires_at', utc_text((p #>> '{ttl,ends_at}')::timestamptz)));
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
end $$;

-- A revocation of one grant. p: {grant, trust | null, subject | null, why, reason, actor, origin, owner?, lease_seconds?}; trust and subject
-- restrict it to their own. Returns {"state", "claims"} (an ended or ending grant is left as it is) or {"refused": "not_found"}.
-- `claims`: what is to be ended now, claimed by `owner` where one is named, so that no reaper comes in between.
create or replace function end_grant(p jsonb) returns jsonb language plpgsql as $$
declare
  g grants;
  claims jsonb := '[]';
begin
  select * into g from grants where id = p ->> 'grant'
    and (p ->> 'subject' is null or (trust = p ->> 'trust' and subject = p ->> 'subject')) for update;
  if not found then
    return jsonb_build_object('refused', 'not_found');
  end if;
  if g.state in ('issuing', 'active') then
    perform begin_ending(g, p ->> 'why', null, p ->> 'reason', p -> 'actor', p ->> 'origin');
  elsif g.state = 'pending_approval' then
    perform refuse_pending(g, p -> 'actor', null, p ->> 'reason', p ->> 'origin');
  end if;
  select state into g.state from grants where id = g.id;
  if p ? 'owner' then
    select coalesce(jsonb_agg(claim), '[]') into claims
      from claim_mints(jsonb_build_object('grant', g.id, 'owner', p ->> 'owner', 'limit', 100, 'lease_seconds', p -> 'lease_seconds')) as claim;
  end if;
  return jsonb_build_object('state', g.state, 'claims', claims);
end $$;

-- Ends up to `batch` grants that the order covers and that were opened before it. Returns {"moved", "done"}. Lifting the order
-- stops its blocking, never its sweep.
create or replace function sweep_order(wanted text, batch integer) returns jsonb language plpgsql as $$
declare
  o orders;
  g grants;
  moved integer := 0;
  remain boolean;
  condition text;
begin
  select * into o from orders where id = wanted;
  condition := format('state in (''pending_approval'', ''issuing'', ''active'') and opened_at <= $2 and %s', selector_condition(o.kind));
  for g in execute format('select * from grants where %s limit $3 for update skip locked', condition) using o.value, o.created_at, batch
  loop
    if g.state = 'pending_approval' then
      perform refuse_pending(g, o.author, o.id, o.reason, null);
    else
      perform begin_ending(g, 'order', o.id, o.reason, o.author, null);
    end if;
    moved := moved + 1;
  end loop;
  execute format('select exists (select 1 from grants where %s)', condition) into remain using o.value, o.created_at;
  if not remain then
    update orders set swept_at = clock_timestamp() where id = o.id and swept_at is null;
    if found then
      perform emit_own_event('order.swept', system_actor('reaper'), null, o.id, true,
        jsonb_build_object('order', o.id, 'matched', (select count(*) from grants where order_id = o.id)));
    end if;
  end if;
  return jsonb_build_object('moved', moved, 'done', not remain);
end $$;

-- Whether the credential of a mint counts right now: state, time and orders are all asked, so that an order bites before
-- its sweep has come round. Null when there is no such mint.
create or replace function mint_is_active(wanted text) returns boolean language sql stable as $$
  select m.state = 'live' and g.state = 'active' and m.ends_at > clock_timestamp() and g.expires_at > clock_timestamp()
     and blocking_order(g.subject, g.on_behalf_of, g.task_path, g.profile, g.owner, g.environment, g.provider) is null
     and not exists (
       select 1 from orders o where o.swept_at is null and o.created_at >= g.opened_at
         and case o.kind when 'all' then true when 'agent' then o.value = g.subject when 'task' then o.value = any (g.task_path)
           when 'profile' then o.value = g.profile when 'owner' then o.value = g.owner when 'environment' then o.value = g.environment
           when 'provider' then o.value = g.provider when 'on_behalf_of' then o.value = g.on_behalf_of end)
     and task_closed(t, clock_timestamp()) is null
    from mints m join grants g on g.id = m.grant_id join tasks t on t.id = g.task_id where m.id = wanted
$$;
