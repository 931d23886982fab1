-- Credentials that end before their grant (short children of an AWS session): a mint has an end of its own, and a renewal
-- says what the grant's becomes.
alter table mints add column grant_ends_at timestamptz;

-- What was ended before its time, for providers that have to deny it until then.
create index mints_ended_early on mints (provider, ends_at) where state in ('ending', 'ended');

-- The intent: task (made here for a single call), decision, grant `issuing`, its first mint, their events.
-- p: {decision, task: {id, purpose, mode, environment, on_behalf_of}, grant: {id, profile, provider, owner, environment, effect,
-- parameters, ttl_seconds, ttl_decided_by, expires_at, revocability}, mint: {id, request, deadline_seconds, ends_at?}, origin,
-- idempotency: {key, request_hash} | null}.
-- Returns {"opened_at", "deadline", "epoch"} or {"refused": code, ...}; a refusal by an order is recorded as a decision.
create or replace function open_grant(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  t jsonb := p -> 'task';
  w jsonb := p -> 'grant';
  m jsonb := p -> 'mint';
  k jsonb := p -> 'idempotency';
  g grants;
  opened timestamptz;
  last_moment timestamptz;
  order_in_the_way text;
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  opened := clock_timestamp();
  order_in_the_way := blocking_order(d ->> 'subject', t ->> 'on_behalf_of', array[t ->> 'id'], w ->> 'profile', w ->> 'owner', w ->> 'environment', w ->> 'provider');
  if order_in_the_way is not null then
    perform write_decision(d || jsonb_build_object('outcome', 'deny', 'code', 'under_order'), null, opened);
    return jsonb_build_object('refused', 'under_order', 'order', order_in_the_way);
  end if;
  if (w ->> 'expires_at')::timestamptz > opened + make_interval(secs => (w ->> 'ttl_seconds')::integer + 2) then
    return jsonb_build_object('refused', 'clock_skew');
  end if;
  last_moment := opened + make_interval(secs => (m ->> 'deadline_seconds')::double precision);

  perform write_decision(d || jsonb_build_object('task_id', t ->> 'id'), w ->> 'id', opened);
  insert into tasks (id, root_id, path, implicit, trust, subject, on_behalf_of, purpose, mode, environment, grants_used, state, created_at)
  values (t ->> 'id', t ->> 'id', array[t ->> 'id'], true, d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of', t ->> 'purpose', t ->> 'mode',
    t ->> 'environment', 1, 'open', opened);
  insert into grants (id, task_id, task_path, decision_id, trust, subject, on_behalf_of, profile, provider, owner, environment, effect, parameters,
    state, revocability, ttl_seconds, ttl_decided_by, opened_at, expires_at)
  values (w ->> 'id', t ->> 'id', array[t ->> 'id'], d ->> 'id', d ->> 'trust', d ->> 'subject', t ->> 'on_behalf_of', w ->> 'profile', w ->> 'provider',
    w ->> 'owner', w ->> 'environment', w ->> 'effect', w -> 'parameters', 'issuing', w -> 'revocability', (w ->> 'ttl_seconds')::integer,
    w ->> 'ttl_decided_by', opened, (w ->> 'expires_at')::timestamptz)
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
  insert into mints (id, grant_id, kind, provider, state, due_at, deadline, ends_at, request, opened_at)
  values (m ->> 'id', g.id, 'first', g.provider, 'intent', last_moment, last_moment, coalesce((m ->> 'ends_at')::timestamptz, g.expires_at),
    m -> 'request', opened);
  perform emit_grant_event(g, 'task.created', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('implicit', true, 'purpose', t ->> 'purpose', 'mode', t ->> 'mode', 'environment', t ->> 'environment'));
  perform emit_grant_event(g, 'grant.opened', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('mint', m ->> 'id', 'provider', g.provider, 'owner', g.owner, 'environment', g.environment, 'effect', g.effect,
      'parameters', g.parameters, 'ttl_seconds', g.ttl_seconds, 'ttl_decided_by', g.ttl_decided_by, 'expires_at', utc_text(g.expires_at),
      'revocability', g.revocability));
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
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

-- The credential exists; may it be handed out? p: {mint, epoch, handle, expires_at, origin}.
-- Returns {"issued_at", "expires_at"}, or {"refused": "superseded" | "under_order"}: throw the secret away and end the mint.
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
    update grants set state = 'refused', closed_at = clock_timestamp(), reason = p ->> 'reason' where id = g.id returning * into g;
    perform emit_grant_event(g, 'grant.refused', p -> 'actor', p ->> 'origin', true, jsonb_build_object('reason', p ->> 'reason'));
  end if;
  select state into g.state from grants where id = g.id;
  if p ? 'owner' then
    select coalesce(jsonb_agg(claim), '[]') into claims
      from claim_mints(jsonb_build_object('grant', g.id, 'owner', p ->> 'owner', 'limit', 100, 'lease_seconds', p -> 'lease_seconds')) as claim;
  end if;
  return jsonb_build_object('state', g.state, 'claims', claims);
end $$;

-- Mints to be ended whose provider none of the claiming processes has: it was removed, or switched off. Claimed like others, once they
-- have waited for `overdue_seconds`, so that they fail, become `stuck`, and are seen.
-- p: {providers, overdue_seconds, owner, limit, lease_seconds}.
create function claim_unserved(p jsonb) returns setof jsonb language plpgsql as $$
declare
  r record;
  m mints;
  before timestamptz := clock_timestamp() - make_interval(secs => (p ->> 'overdue_seconds')::double precision);
begin
  for r in select mints.id, grants.why, grants.state as grant_state from mints join grants on grants.id = mints.grant_id
    where mints.state = 'ending' and mints.due_at <= before and not p -> 'providers' ? mints.provider
    order by mints.due_at limit (p ->> 'limit')::integer for update of grants skip locked
  loop
    update mints set epoch = epoch + 1, claimed_by = p ->> 'owner', due_at = clock_timestamp() + make_interval(secs => (p ->> 'lease_seconds')::double precision)
     where id = r.id and state = 'ending' and due_at <= before returning * into m;
    continue when not found;
    return next claim_of(m, case when r.grant_state in ('ending', 'stuck') then r.why else 'expiry' end);
  end loop;
end $$;
