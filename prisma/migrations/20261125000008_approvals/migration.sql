-- Approvals of several people and roles, of calls as well as of issuances; who is told that one is wanted; exceptions.

-- The roles in which somebody answered. Until now there was one.
alter table approval_answers add column roles text[] not null default '{approver}';
alter table approval_answers alter column roles drop default;
-- A call may be made with a grant; the approval that a grant waits for is another matter.
drop index approvals_grant;
create unique index approvals_grant on approvals (grant_id) where kind = 'issue';
create index approvals_waiting on approvals (trust, subject) where state = 'pending';
create index approvals_newest on approvals (created_at desc, id);

-- Needs as a list of {role, count}: a single one was stored as it is by the version before.
create function approval_needs(needs jsonb) returns jsonb language sql immutable as
$$ select case jsonb_typeof(needs) when 'array' then needs else jsonb_build_array(needs) end $$;

-- Whether those who approved fill all places, each person one place: whichever of the needs are taken together, as many
-- people fit one of them as they have places (Hall's theorem). Nobody's approval is nothing.
create function approval_met(approval text, needs jsonb) returns boolean language sql stable as $$
  with need as (
    select n ->> 'role' as role, (n ->> 'count')::integer as places, 1 << (at - 1)::integer as bit
      from jsonb_array_elements(approval_needs(needs)) with ordinality as needs (n, at)
  ), subset as (
    select generate_series(1, (1 << (select count(*) from need)::integer) - 1) as mask
  )
  select coalesce(bool_and((
      select count(*) from approval_answers where approval_id = approval and answer = 'approve'
        and roles && array(select role from need where bit & mask <> 0)
    ) >= (select sum(places) from need where bit & mask <> 0)), false) from subset
$$;

-- Who is to be told that an approval is wanted: one row for each of the channels of the process that asked. Any process
-- that knows the channel delivers, more than once if need be. sent: the receiver took it; dead: nobody could be told in
-- time; void: it was answered before.
create table approval_notices (
  approval_id text not null references approvals (id),
  target      text not null,
  state       text not null check (state in ('pending', 'sent', 'dead', 'void')),
  attempts    integer not null default 0,
  due_at      timestamptz not null,
  claimed_by  text,
  last_error  text,
  created_at  timestamptz not null,
  closed_at   timestamptz,
  primary key (approval_id, target),
  constraint approval_notices_closed check ((closed_at is null) = (state = 'pending'))
);
create index approval_notices_due on approval_notices (due_at) where state = 'pending';

-- Inserts an approval that is asked for. `a`: {id, kind, asked_hash, asked, needs, chain, expires_at, notify: [target], max_open}.
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
      'expires_at', utc_text((a ->> 'expires_at')::timestamptz)));
  perform pg_notify('writ', 'approval');
end $$;

-- A denied call that an approval would change is put before a person: once for each decision, however often it is asked.
-- p: {decision, trust, subject, owner, environment, approval: as in request_approval, origin}.
-- Returns {"id"} or {"refused": "not_found" | "under_order" | "task_ended", ...}.
create function request_call_approval(p jsonb) returns jsonb language plpgsql as $$
declare
  d decisions;
  k tasks;
  there text;
  at timestamptz;
  order_in_the_way text;
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
  perform request_approval(p -> 'approval',
    jsonb_build_object('id', d.id, 'trust', d.trust, 'subject', d.subject, 'on_behalf_of', d.on_behalf_of, 'resource', d.resource),
    (select id from grants where id = d.grant_id), k.id, p ->> 'owner', p ->> 'environment', at, p ->> 'origin');
  return jsonb_build_object('id', p #>> '{approval,id}');
end $$;

-- A person's answer. p: {approval, answer: approve | deny, reason, roles, actor: {kind, issuer, subject}, origin}. `roles` are those that this
-- person has here (owner and environment were held before); that one of them is asked for, and that the person is nobody
-- on the request's chain, is held here. On the chain an entry without an issuer is that subject of any issuer.
-- Returns {"state"} or {"refused": "not_found" | "approval_closed" | "own_request" | "already_answered" | "role_missing"}; refusals are on record.
create or replace function answer_approval(p jsonb) returns jsonb language plpgsql as $$
declare
  a approvals;
  g grants;
  who jsonb := jsonb_build_object('issuer', p #> '{actor,issuer}', 'subject', p #> '{actor,subject}');
  as_roles text[] := array(select jsonb_array_elements_text(p -> 'roles'));
  refusal text;
  answered timestamptz;
begin
  select g1.* into g from grants g1 join approvals a1 on a1.grant_id = g1.id where a1.id = p ->> 'approval' for update of g1;
  select * into a from approvals where id = p ->> 'approval' for update;
  answered := clock_timestamp();
  if a.id is null then
    return jsonb_build_object('refused', 'not_found');
  end if;
  as_roles := array(select role from unnest(as_roles) as roles (role) where approval_needs(a.needs) @> jsonb_build_array(jsonb_build_object('role', role)));
  refusal := case
    when a.state <> 'pending' or a.expires_at <= answered then 'approval_closed'
    when exists (select 1 from jsonb_array_elements(a.chain) as one (entry) where entry ->> 'subject' = who ->> 'subject'
      and coalesce(entry ->> 'issuer', who ->> 'issuer') = who ->> 'issuer') then 'own_request'
    when exists (select 1 from approval_answers where approval_id = a.id and issuer = who ->> 'issuer' and subject = who ->> 'subject') then 'already_answered'
    when as_roles = '{}' then 'role_missing'
  end;
  if refusal is null then
    insert into approval_answers (approval_id, issuer, subject, answer, reason, roles, at)
    values (a.id, who ->> 'issuer', who ->> 'subject', p ->> 'answer', p ->> 'reason', as_roles, answered);
    update approvals set state = case when p ->> 'answer' = 'deny' then 'denied' when approval_met(a.id, a.needs) then 'approved' else 'pending' end,
        closed_at = case when p ->> 'answer' = 'deny' then answered end
     where id = a.id returning * into a;
  end if;
  perform emit_event('approval.answered', p -> 'actor', a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, p ->> 'origin', a.id, refusal is null,
    jsonb_build_object('approval', a.id, 'answer', p ->> 'answer', 'reason', p ->> 'reason', 'roles', to_jsonb(as_roles), 'state', a.state, 'code', refusal));
  if refusal is not null then
    return jsonb_build_object('refused', refusal);
  end if;
  if a.kind = 'issue' and a.state = 'denied' and g.state = 'pending_approval' then
    update grants set state = 'refused', reason = p ->> 'reason', closed_at = answered where id = g.id returning * into g;
    perform emit_grant_event(g, 'grant.refused', p -> 'actor', p ->> 'origin', true, jsonb_build_object('order', g.order_id, 'reason', g.reason));
  end if;
  perform pg_notify('writ', 'approval');
  return jsonb_build_object('state', a.state);
end $$;

-- An approved grant is claimed: decided again, its approval consumed, and its mint intended, in one transaction.
-- p: {grant, decision, approval, asked_hash, ttl: {ends_at, seconds, decided_by}, revocability, mint, origin, idempotency: {key, request_hash} | null}.
-- Returns as open_grant. Whatever does not hold any more is a refusal, and is recorded as a decision.
create or replace function claim_grant(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  m jsonb := p -> 'mint';
  k jsonb := p -> 'idempotency';
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
  select * into a from approvals where grant_id = g.id and kind = 'issue' for update;
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
  if jsonb_typeof(k) is not distinct from 'object' then
    insert into idempotency_keys (trust, subject, key, request_hash, grant_id, created_at)
    values (g.trust, g.subject, k ->> 'key', k ->> 'request_hash', g.id, opened) on conflict do nothing;
    if not found then
      raise exception using errcode = 'WR409', message = 'idempotency key in use';
    end if;
  end if;
  perform emit_grant_event(g, 'approval.consumed', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('approval', a.id, 'asked_hash', a.asked_hash));
  perform open_first_mint(g, m, last_moment, opened, workload_actor(g.trust, g.subject), p ->> 'origin');
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
end $$;

-- Notices that are due, claimed for `lease_seconds`, with what they say. Those whose approval is over are closed on the way.
-- p: {targets, owner, limit, lease_seconds}.
create function claim_notices(p jsonb) returns setof jsonb language plpgsql as $$
declare
  n record;
  at timestamptz := clock_timestamp();
begin
  for n in select notice.*, a.state as approval_state, a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, a.kind, a.resource, a.owner, a.environment, a.asked,
      a.asked_hash, a.needs, a.created_at as asked_at, a.expires_at
    from approval_notices notice join approvals a on a.id = notice.approval_id
    where notice.state = 'pending' and (a.state <> 'pending' or (notice.due_at <= at and p -> 'targets' ? notice.target))
    order by notice.due_at limit (p ->> 'limit')::integer for update of notice skip locked
  loop
    if n.approval_state <> 'pending' then
      perform close_notice(n.approval_id, n.target, case n.approval_state when 'lapsed' then 'dead' else 'void' end);
      continue;
    end if;
    update approval_notices set claimed_by = p ->> 'owner', due_at = at + make_interval(secs => (p ->> 'lease_seconds')::double precision)
     where approval_id = n.approval_id and target = n.target;
    return next jsonb_build_object('approval', n.approval_id, 'target', n.target, 'attempts', n.attempts, 'kind', n.kind, 'trust', n.trust, 'subject', n.subject,
      'on_behalf_of', n.on_behalf_of, 'task', n.task_id, 'grant', n.grant_id, 'resource', n.resource, 'owner', n.owner, 'environment', n.environment,
      'asked', n.asked, 'asked_hash', n.asked_hash, 'needs', approval_needs(n.needs), 'created_at', n.asked_at, 'expires_at', n.expires_at);
  end loop;
end $$;

-- Ends a notice. That nobody could be told goes into the record.
create function close_notice(approval text, told text, outcome text) returns void language plpgsql as $$
declare
  a approvals;
  n approval_notices;
begin
  update approval_notices set state = outcome, closed_at = clock_timestamp(), claimed_by = null where approval_id = approval and target = told
    returning * into n;
  if outcome = 'dead' then
    select * into a from approvals where id = approval;
    perform emit_event('approval.untold', system_actor('broker'), a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, null, a.id, false,
      jsonb_build_object('approval', a.id, 'target', n.target, 'attempts', n.attempts, 'error', n.last_error));
  end if;
end $$;

-- What came of an attempt. p: {approval, target, owner, error | null, delay_seconds, dead_after}. Returns the state, or null when the claim was lost.
create function settle_notice(p jsonb) returns text language plpgsql as $$
declare
  n approval_notices;
begin
  update approval_notices set attempts = attempts + 1, last_error = p ->> 'error', claimed_by = null,
      due_at = clock_timestamp() + make_interval(secs => (p ->> 'delay_seconds')::double precision)
   where approval_id = p ->> 'approval' and target = p ->> 'target' and claimed_by = p ->> 'owner' and state = 'pending' returning * into n;
  if not found then
    return null;
  end if;
  if n.last_error is null then
    perform close_notice(n.approval_id, n.target, 'sent');
    return 'sent';
  elsif n.attempts >= (p ->> 'dead_after')::integer then
    perform close_notice(n.approval_id, n.target, 'dead');
    return 'dead';
  end if;
  return 'pending';
end $$;

-- A dated override of forbids that are marked for it: asked for by one person, approved by another, reviewed afterwards.
create table exceptions (
  id            text primary key,
  profile       text,
  tool          text,
  agent         text,
  owner         text,
  environment   text,
  policies      text[] not null check (cardinality(policies) > 0),
  reason        text not null,
  state         text not null check (state in ('requested', 'approved', 'denied', 'ended')),
  author        jsonb not null,
  created_at    timestamptz not null,
  starts_at     timestamptz not null,
  ends_at       timestamptz not null,
  review_by     timestamptz not null,
  answered_by   jsonb,
  answered_at   timestamptz,
  answer_reason text,
  ended_by      jsonb,
  ended_at      timestamptz,
  end_reason    text,
  reviewed_by   jsonb,
  reviewed_at   timestamptz,
  review_note   text,
  constraint exceptions_one_thing check (num_nonnulls(profile, tool) = 1),
  constraint exceptions_dated check (starts_at < ends_at and review_by > starts_at),
  constraint exceptions_answered check ((answered_at is null) = (state = 'requested')),
  constraint exceptions_ended check ((ended_at is not null) = (state = 'ended')),
  constraint exceptions_reviewed check (reviewed_at is null or state in ('approved', 'ended'))
);
create index exceptions_in_force on exceptions (ends_at) where state = 'approved';
create index exceptions_unreviewed on exceptions (review_by) where reviewed_at is null and state in ('approved', 'ended');
create index exceptions_newest on exceptions (created_at desc, id);
create index decisions_exception on decisions (exception_id) where exception_id is not null;

-- requested -> approved | denied; approved -> ended; and a review is not written twice.
create function exceptions_guard() returns trigger language plpgsql as $$
begin
  if (old.state <> new.state and (old.state, new.state) not in (('requested', 'approved'), ('requested', 'denied'), ('approved', 'ended')))
    or (old.reviewed_at is not null and (old.reviewed_at, old.reviewed_by, old.review_note) is distinct from (new.reviewed_at, new.reviewed_by, new.review_note)) then
    raise exception 'exception % cannot go from % to %', old.id, old.state, new.state using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger exceptions_step before update on exceptions for each row execute function exceptions_guard();

create function exception_active(wanted text, at timestamptz) returns boolean language sql stable as $$
  select exists (select 1 from exceptions where id = wanted and state = 'approved' and starts_at <= at and at < ends_at)
$$;

-- Whatever is allowed under an exception is allowed under one that is in force at that moment, and is told as its use. The caller
-- holds the lock of the rules, which ending an exception takes as well: from the commit of its end nothing is.
create function exception_used() returns trigger language plpgsql as $$
begin
  if not exception_active(new.exception_id, new.at) then
    raise exception using errcode = 'WR410', message = 'the exception is not in force';
  end if;
  perform emit_event('exception.used', workload_actor(new.trust, new.subject), new.trust, new.subject, new.on_behalf_of, new.task_id, new.grant_id, new.id, new.origin,
    new.exception_id, true,
    jsonb_build_object('exception', new.exception_id, 'action', new.action, 'resource', new.resource, 'policies', new.inputs #> '{exception,policies}'));
  return null;
end $$;
create trigger decisions_under_exception after insert on decisions for each row when (new.exception_id is not null and new.outcome = 'allow')
  execute function exception_used();

-- p: {id, scope: {profile | tool, agent?, owner?, environment?}, policies, reason, starts_at | null, ends_at, review_by, author, origin}. Returns {"created_at"}.
create function request_exception(p jsonb) returns jsonb language plpgsql as $$
declare
  x exceptions;
  s jsonb := p -> 'scope';
  at timestamptz := clock_timestamp();
begin
  insert into exceptions (id, profile, tool, agent, owner, environment, policies, reason, state, author, created_at, starts_at, ends_at, review_by)
  values (p ->> 'id', s ->> 'profile', s ->> 'tool', s ->> 'agent', s ->> 'owner', s ->> 'environment', array(select jsonb_array_elements_text(p -> 'policies')),
    p ->> 'reason', 'requested', p -> 'author', at, coalesce((p ->> 'starts_at')::timestamptz, at), (p ->> 'ends_at')::timestamptz, (p ->> 'review_by')::timestamptz)
  returning * into x;
  perform emit_own_event('exception.requested', x.author, p ->> 'origin', x.id, true,
    jsonb_build_object('exception', x.id, 'scope', s, 'policies', to_jsonb(x.policies), 'reason', x.reason, 'starts_at', utc_text(x.starts_at),
      'ends_at', utc_text(x.ends_at), 'review_by', utc_text(x.review_by)));
  return jsonb_build_object('created_at', x.created_at);
end $$;

-- The answer of somebody else than who asked. p: {exception, answer: approve | deny, reason, actor, origin}.
-- Returns {"state"} or {"refused": "not_found" | "exception_closed" | "own_request"}; refusals but the first are on record.
create function answer_exception(p jsonb) returns jsonb language plpgsql as $$
declare
  x exceptions;
  refusal text;
  at timestamptz;
begin
  perform lock_rules();
  select * into x from exceptions where id = p ->> 'exception' for update;
  at := clock_timestamp();
  if not found then
    return jsonb_build_object('refused', 'not_found');
  end if;
  refusal := case
    when x.state <> 'requested' or x.ends_at <= at then 'exception_closed'
    when x.author @> jsonb_build_object('issuer', p #> '{actor,issuer}', 'subject', p #> '{actor,subject}') then 'own_request'
  end;
  if refusal is null then
    update exceptions set state = case p ->> 'answer' when 'approve' then 'approved' else 'denied' end, answered_by = p -> 'actor', answered_at = at,
        answer_reason = p ->> 'reason'
     where id = x.id returning * into x;
  end if;
  perform emit_own_event(case p ->> 'answer' when 'approve' then 'exception.approved' else 'exception.denied' end, p -> 'actor', p ->> 'origin', x.id, refusal is null,
    jsonb_build_object('exception', x.id, 'reason', p ->> 'reason', 'code', refusal));
  return case when refusal is null then jsonb_build_object('state', x.state) else jsonb_build_object('refused', refusal) end;
end $$;

-- Ends it before its time. From the commit on nothing is allowed under it. p: {exception, reason, actor, origin}. Returns as above.
create function end_exception(p jsonb) returns jsonb language plpgsql as $$
declare
  x exceptions;
begin
  perform lock_rules();
  select * into x from exceptions where id = p ->> 'exception' for update;
  if not found then
    return jsonb_build_object('refused', 'not_found');
  elsif x.state <> 'approved' or x.ends_at <= clock_timestamp() then
    return jsonb_build_object('refused', 'exception_closed');
  end if;
  update exceptions set state = 'ended', ended_by = p -> 'actor', ended_at = clock_timestamp(), end_reason = p ->> 'reason' where id = x.id;
  perform emit_own_event('exception.ended', p -> 'actor', p ->> 'origin', x.id, true, jsonb_build_object('exception', x.id, 'reason', p ->> 'reason'));
  return jsonb_build_object('state', 'ended');
end $$;

-- What somebody else than who asked makes of it afterwards, once. p: {exception, note, actor, origin}. Returns as above.
create function review_exception(p jsonb) returns jsonb language plpgsql as $$
declare
  x exceptions;
begin
  select * into x from exceptions where id = p ->> 'exception' for update;
  if not found then
    return jsonb_build_object('refused', 'not_found');
  elsif x.state not in ('approved', 'ended') or x.starts_at > clock_timestamp() or x.reviewed_at is not null then
    return jsonb_build_object('refused', 'exception_closed');
  elsif x.author @> jsonb_build_object('issuer', p #> '{actor,issuer}', 'subject', p #> '{actor,subject}') then
    return jsonb_build_object('refused', 'own_request');
  end if;
  update exceptions set reviewed_by = p -> 'actor', reviewed_at = clock_timestamp(), review_note = p ->> 'note' where id = x.id;
  perform emit_own_event('exception.reviewed', p -> 'actor', p ->> 'origin', x.id, true, jsonb_build_object('exception', x.id, 'note', p ->> 'note'));
  return jsonb_build_object('state', x.state);
end $$;

grant select, insert on approval_notices, exceptions to writ_broker;
grant update (state, attempts, due_at, claimed_by, last_error, closed_at) on approval_notices to writ_broker;
grant update (state, answered_by, answered_at, answer_reason, ended_by, ended_at, end_reason, reviewed_by, reviewed_at, review_note) on exceptions to writ_broker;
