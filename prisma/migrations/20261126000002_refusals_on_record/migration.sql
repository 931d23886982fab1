-- Refusals that left nothing on record, and one that was recorded under another's name.

-- As before, and a decision says which grant it is about, where there is one.
create or replace function record_decision(d jsonb) returns jsonb language plpgsql as $$
declare
  noted timestamptz;
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  noted := clock_timestamp();
  perform write_decision(d, d ->> 'grant_id', noted);
  return jsonb_build_object('at', noted);
end $$;

-- As before, and that the grant is not active any more is on record too.
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
    perform write_decision(d || jsonb_build_object('task_id', g.task_id, 'outcome', 'deny', 'code', 'grant_not_active'), g.id, opened);
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

-- A decision on a call once more, denied now for what has happened since; its arguments are on record with the first.
create function deny_again(d decisions, id text, code text, asked_by jsonb, at timestamptz, origin text) returns void language plpgsql as $$
begin
  d.id := deny_again.id;
  d.outcome := 'deny';
  d.code := deny_again.code;
  d.asked_by := deny_again.asked_by;
  d.at := deny_again.at;
  d.origin := deny_again.origin;
  d.arguments := null;
  d.approval_id := null;
  insert into decisions select d.*;
  perform emit_event('call.decided', jsonb_build_object('kind', 'workload') || d.asked_by, d.trust, d.subject, d.on_behalf_of, d.task_id, d.grant_id, d.id, d.origin,
    d.resource, false,
    jsonb_build_object('outcome', d.outcome, 'code', d.code, 'generation', d.generation, 'rules_hash', d.rules_hash, 'policies', to_jsonb(d.policies),
      'controls', to_jsonb(d.controls), 'errors', d.errors, 'mode', d.mode, 'exception', d.exception_id, 'arguments_hash', d.arguments_hash,
      'inputs_hash', encode(sha256(convert_to(canonical(d.inputs), 'UTF8')), 'hex')));
end $$;

-- As before, and a refusal is recorded as a decision on that call, under an id that comes with the request.
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
      perform deny_again(d, p ->> 'refusal', refusal, coalesce(p #> '{approval,asked,asked_by}', jsonb_build_object('trust', d.trust, 'id', d.subject)), at,
        p ->> 'origin');
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

-- As before, and whoever has a role that is asked for, which does not reach this, is told so: `limited` are those roles of the person.
-- p: {approval, answer: approve | deny, reason, roles, limited?, actor: {kind, issuer, subject}, origin}.
-- Returns {"state"} or {"refused": "not_found" | "approval_closed" | "own_request" | "already_answered" | "role_missing" | "role_limited"}; refusals are on record.
create or replace function answer_approval(p jsonb) returns jsonb language plpgsql as $$
declare
  a approvals;
  g grants;
  who jsonb := jsonb_build_object('issuer', p #> '{actor,issuer}', 'subject', p #> '{actor,subject}');
  as_roles text[] := array(select jsonb_array_elements_text(p -> 'roles'));
  limited text[] := array(select jsonb_array_elements_text(p -> 'limited'));
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
  limited := array(select role from unnest(limited) as roles (role) where approval_needs(a.needs) @> jsonb_build_array(jsonb_build_object('role', role)));
  refusal := case
    when a.state <> 'pending' or a.expires_at <= answered then 'approval_closed'
    when exists (select 1 from jsonb_array_elements(a.chain) as one (entry) where entry ->> 'subject' = who ->> 'subject'
      and coalesce(entry ->> 'issuer', who ->> 'issuer') = who ->> 'issuer') then 'own_request'
    when exists (select 1 from approval_answers where approval_id = a.id and issuer = who ->> 'issuer' and subject = who ->> 'subject') then 'already_answered'
    when as_roles = '{}' then case when limited = '{}' then 'role_missing' else 'role_limited' end
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
