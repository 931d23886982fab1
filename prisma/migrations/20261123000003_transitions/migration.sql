-- Every transition of a grant is one of these functions: VOLATILE, one call, one transaction, its events included.
-- They lock, then read the orders in a LATER statement: a single statement would read with the snapshot it had before it
-- waited, and issue under an order that was committed meanwhile.
--
-- Lock 1465010516/1: shared by whatever gives, exclusive for whatever changes what may be given (orders, generations).
-- Then a grant's row, which guards its mints too. Always in that sequence.
--
-- A grant's mints are looked up with `state not in (...)`: from `state in ('intent', 'live')` the planner could conclude that a
-- partial index of all live mints will do, and, while the table is small, keep a plan whose cost grows with the live grants.

create function lock_rules_shared() returns void language sql as $$ select pg_advisory_xact_lock_shared(1465010516, 1) $$;
create function lock_rules() returns void language sql as $$ select pg_advisory_xact_lock(1465010516, 1) $$;

-- The order that stands in the way of such a grant, if any.
create function blocking_order(subject text, on_behalf_of text, task_path text[], profile text, owner text, environment text, provider text)
returns text language sql stable as $$
  select id from orders
   where blocks and lifted_at is null
     and ((kind = 'all' and value = '*') or (kind = 'agent' and value = $1) or (kind = 'on_behalf_of' and value = $2)
       or (kind = 'task' and value = any ($3)) or (kind = 'profile' and value = $4) or (kind = 'owner' and value = $5)
       or (kind = 'environment' and value = $6) or (kind = 'provider' and value = $7))
   limit 1
$$;

create function active_generation() returns bigint language sql stable as $$ select max(number) from generations $$;

create function emit_grant_event(g grants, event_type text, actor jsonb, origin text, success boolean, facts jsonb) returns void language plpgsql as $$
begin
  perform emit_event(event_type, actor, g.trust, g.subject, g.on_behalf_of, g.task_id, g.id, g.decision_id, origin, g.profile, success, facts);
end $$;

-- Writes a decision and its event. `d` has the columns of decisions by name, `outcome` and `code` included.
create function write_decision(d jsonb, grant_id text, at timestamptz) returns void language plpgsql as $$
begin
  insert into decisions (id, action, generation, rules_hash, trust, subject, resource, task_id, outcome, code, policies, controls, errors, inputs, origin, at)
  values (d ->> 'id', d ->> 'action', (d ->> 'generation')::bigint, d ->> 'rules_hash', d ->> 'trust', d ->> 'subject', d ->> 'resource',
    d ->> 'task_id', d ->> 'outcome', d ->> 'code',
    array(select jsonb_array_elements_text(d -> 'policies')), array(select jsonb_array_elements_text(d -> 'controls')),
    d -> 'errors', d -> 'inputs', d ->> 'origin', write_decision.at);
  perform emit_event('decision.made', workload_actor(d ->> 'trust', d ->> 'subject'), d ->> 'trust', d ->> 'subject', d ->> 'on_behalf_of',
    d ->> 'task_id', grant_id, d ->> 'id', d ->> 'origin', d ->> 'resource',
    d ->> 'outcome' = 'allow',
    jsonb_build_object('action', d ->> 'action', 'outcome', d ->> 'outcome', 'code', d ->> 'code', 'generation', (d ->> 'generation')::bigint,
      'rules_hash', d ->> 'rules_hash', 'policies', d -> 'policies', 'errors', d -> 'errors', 'inputs_hash',
      encode(sha256(convert_to(canonical(d -> 'inputs'), 'UTF8')), 'hex')));
end $$;

-- A decision that gave nothing. Returns {"at"} or {"refused": "generation_behind"}.
create function record_decision(d jsonb) returns jsonb language plpgsql as $$
declare
  noted timestamptz;
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  noted := clock_timestamp();
  perform write_decision(d, null, noted);
  return jsonb_build_object('at', noted);
end $$;

-- The intent: task (made here for a single call), decision, grant `issuing`, its first mint, their events.
-- p: {decision, task: {id, purpose, mode, environment, on_behalf_of}, grant: {id, profile, provider, owner, environment, effect,
-- parameters, ttl_seconds, ttl_decided_by, expires_at, revocability}, mint: {id, request, deadline_seconds}, origin,
-- idempotency: {key, request_hash} | null}.
-- Returns {"opened_at", "deadline", "epoch"} or {"refused": code, ...}; a refusal by an order is recorded as a decision.
create function open_grant(p jsonb) returns jsonb language plpgsql as $$
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
  values (m ->> 'id', g.id, 'first', g.provider, 'intent', last_moment, last_moment, g.expires_at, m -> 'request', opened);
  perform emit_grant_event(g, 'task.created', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('implicit', true, 'purpose', t ->> 'purpose', 'mode', t ->> 'mode', 'environment', t ->> 'environment'));
  perform emit_grant_event(g, 'grant.opened', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('mint', m ->> 'id', 'provider', g.provider, 'owner', g.owner, 'environment', g.environment, 'effect', g.effect,
      'parameters', g.parameters, 'ttl_seconds', g.ttl_seconds, 'ttl_decided_by', g.ttl_decided_by, 'expires_at', utc_text(g.expires_at),
      'revocability', g.revocability));
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
end $$;

-- Closes a grant none of whose mints can live any more; otherwise does nothing. The caller holds the grant's row.
-- What nobody could take back closes as `expired`; what never reached its caller as `failed`; the rest says why it ended.
create function close_grant_if_done(wanted text, actor jsonb) returns void language plpgsql as $$
declare
  g grants;
  final text;
begin
  select * into g from grants where id = wanted;
  if g.state not in ('ending', 'stuck') or exists (select 1 from mints where grant_id = wanted and state <> 'ended') then
    return;
  end if;
  final := case
    when g.why = 'expiry' then 'expired'
    when exists (select 1 from mints where grant_id = wanted and outcome = 'lapsed') then 'expired'
    when g.why = 'abandoned' and g.issued_at is null then 'failed'
    else 'revoked'
  end;
  update grants set state = final, closed_at = clock_timestamp() where id = wanted returning * into g;
  perform emit_grant_event(g, 'grant.' || final, actor, null, true, jsonb_build_object('why', g.why, 'order', g.order_id));
end $$;

-- issuing | active -> ending. The caller holds the grant's row. Its mints are due at once; whoever was minting has lost
-- its epoch.
create function begin_ending(g grants, why text, order_id text, reason text, actor jsonb, origin text) returns void language plpgsql as $$
begin
  update grants set state = 'ending', why = begin_ending.why, order_id = begin_ending.order_id, reason = begin_ending.reason, ending_at = clock_timestamp()
   where id = g.id returning * into g;
  update mints set state = 'ending', epoch = epoch + 1, claimed_by = null, due_at = clock_timestamp()
   where grant_id = g.id and state not in ('ending', 'ended');
  perform emit_grant_event(g, 'grant.ending', actor, origin, true,
    jsonb_build_object('why', g.why, 'order', g.order_id, 'reason', g.reason));
  perform close_grant_if_done(g.id, actor);
end $$;

-- The credential exists; may it be handed out? p: {mint, epoch, handle, expires_at, origin}.
-- Returns {"issued_at", "expires_at"}, or {"refused": "superseded" | "under_order"}: throw the secret away and end the mint.
create function activate_mint(p jsonb) returns jsonb language plpgsql as $$
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
    if m.kind <> 'child' then
      update grants set expires_at = (select max(ends_at) from mints where grant_id = g.id and state not in ('intent', 'ending', 'ended'))
       where id = g.id returning * into g;
    end if;
    perform emit_grant_event(g, 'mint.activated', actor, p ->> 'origin', true,
      jsonb_build_object('mint', m.id, 'kind', m.kind, 'handle', p -> 'handle', 'expires_at', utc_text(g.expires_at), 'credential_expires_at', p ->> 'expires_at'));
  end if;
  return jsonb_build_object('issued_at', at, 'expires_at', g.expires_at);
end $$;

-- One more mint of an active grant. p: {grant, trust, subject, decision, kind, ttl: {ends_at, seconds, decided_by}, mint: {id, request, deadline_seconds}, origin}.
-- Returns as open_grant. One mint at a time: a second request meanwhile is `request_in_progress`. So is a replacement while
-- anything of the grant lives: of two repeats of a request that both saw it end, one alone mints again.
create function open_mint(p jsonb) returns jsonb language plpgsql as $$
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
  insert into mints (id, grant_id, kind, provider, state, due_at, deadline, ends_at, request, opened_at)
  values (m ->> 'id', g.id, p ->> 'kind', g.provider, 'intent', last_moment, last_moment, (p #>> '{ttl,ends_at}')::timestamptz, m -> 'request', opened);
  perform emit_grant_event(g, 'mint.opened', workload_actor(g.trust, g.subject), p ->> 'origin', true,
    jsonb_build_object('decision', d ->> 'id', 'mint', m ->> 'id', 'kind', p ->> 'kind', 'ttl_seconds', p #> '{ttl,seconds}', 'ttl_decided_by', p #>> '{ttl,decided_by}',
      'expires_at', utc_text((p #>> '{ttl,ends_at}')::timestamptz)));
  return jsonb_build_object('opened_at', opened, 'deadline', last_moment, 'epoch', 1);
end $$;

-- What a claim hands to its owner.
create function claim_of(m mints, why text) returns jsonb language sql immutable as $$
  select jsonb_build_object('mint', m.id, 'grant', m.grant_id, 'epoch', m.epoch, 'provider', m.provider, 'request', m.request,
    'handle', m.handle, 'ends_at', m.ends_at, 'attempts', m.attempts, 'why', why)
$$;

-- Whoever opened a mint gives it up: the provider failed, the activation was refused, or the caller was gone before the
-- credential reached it. p: {mint, handle | null, nothing_lives, end_grant, error, owner, lease_seconds}.
-- A first mint takes its grant along; a later one only where `end_grant` says so.
-- Returns {"claim"} when the mint is now claimed by `owner`, to be ended; {} when there is nothing for it to do.
create function abandon_mint(p jsonb) returns jsonb language plpgsql as $$
declare
  m mints;
  g grants;
  actor jsonb := system_actor('broker');
  takes_grant boolean;
begin
  select g1.* into g from grants g1 join mints m1 on m1.grant_id = g1.id where m1.id = p ->> 'mint' for update of g1;
  select * into m from mints where id = p ->> 'mint';
  if m.id is null or m.state = 'ended' then
    return '{}'::jsonb;
  end if;
  takes_grant := g.state = 'issuing' or (g.state = 'active' and (p ->> 'end_grant')::boolean);
  if (p ->> 'nothing_lives')::boolean and m.state = 'intent' then
    update mints set state = 'ended', outcome = 'absent', epoch = epoch + 1, ended_at = clock_timestamp(), last_error = p ->> 'error' where id = m.id;
    if g.state = 'issuing' then
      update grants set state = 'failed', why = 'abandoned', closed_at = clock_timestamp() where id = g.id returning * into g;
      perform emit_grant_event(g, 'grant.failed', actor, null, false, jsonb_build_object('why', g.why, 'error', p ->> 'error'));
    else
      perform emit_grant_event(g, 'mint.ended', actor, null, false,
        jsonb_build_object('mint', m.id, 'outcome', 'absent', 'error', p ->> 'error'));
    end if;
    return '{}'::jsonb;
  end if;
  if takes_grant then
    perform begin_ending(g, 'abandoned', null, p ->> 'error', actor, null);
  elsif m.state in ('intent', 'live') then
    update mints set state = 'ending', epoch = epoch + 1, claimed_by = null, due_at = clock_timestamp() where id = m.id;
    perform emit_grant_event(g, 'mint.ending', actor, null, true, jsonb_build_object('mint', m.id, 'why', 'abandoned', 'error', p ->> 'error'));
  end if;
  update mints set epoch = epoch + 1, claimed_by = p ->> 'owner', handle = coalesce(handle, nullif(p -> 'handle', 'null'::jsonb)),
      due_at = clock_timestamp() + make_interval(secs => (p ->> 'lease_seconds')::double precision)
   where id = m.id and state = 'ending' and (claimed_by is null or due_at <= clock_timestamp()) returning * into m;
  if not found then
    update mints set handle = coalesce(handle, nullif(p -> 'handle', 'null'::jsonb)) where id = p ->> 'mint' and state = 'ending';
    return '{}'::jsonb;
  end if;
  return jsonb_build_object('claim', claim_of(m, 'abandoned'));
end $$;

-- A revocation of one grant. p: {grant, trust | null, subject | null, why, reason, actor, origin}; trust and subject restrict it to their
-- own. Returns {"state"} (an ended or ending grant is left as it is) or {"refused": "not_found"}.
create function end_grant(p jsonb) returns jsonb language plpgsql as $$
declare
  g grants;
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
  return jsonb_build_object('state', g.state);
end $$;

-- Ends the live mints of an active grant, not the grant: a repeated request is about to mint again.
-- Returns {"open": number of mints that still have to be ended} or {"refused": code}.
create function retire_mints(p jsonb) returns jsonb language plpgsql as $$
declare
  g grants;
  retired text[];
begin
  select * into g from grants where id = p ->> 'grant' and trust = p ->> 'trust' and subject = p ->> 'subject' for update;
  if not found then
    return jsonb_build_object('refused', 'not_found');
  elsif g.state <> 'active' or g.expires_at <= clock_timestamp() then
    return jsonb_build_object('refused', 'grant_not_active');
  elsif exists (select 1 from mints where grant_id = g.id and state not in ('live', 'ending', 'ended')) then
    return jsonb_build_object('refused', 'request_in_progress');
  end if;
  with changed as (
    update mints set state = 'ending', epoch = epoch + 1, claimed_by = null, due_at = clock_timestamp()
     where grant_id = g.id and state not in ('intent', 'ending', 'ended') returning id
  ) select array_agg(id) into retired from changed;
  if retired is not null then
    perform emit_grant_event(g, 'mint.ending', workload_actor(g.trust, g.subject), p ->> 'origin', true,
      jsonb_build_object('mints', to_jsonb(retired), 'why', 'request_repeated'));
  end if;
  return jsonb_build_object('open', (select count(*) from mints where grant_id = g.id and state not in ('intent', 'live', 'ended')));
end $$;

-- Everything whose time has come, by index: grants past their end, intents past their deadline (their process is gone or
-- too slow), mints that a renewal outlived. Moves them to `ending`, up to `batch` by their grant's end and as many by their own,
-- and returns how many. Replicas share the work.
create function advance_due(batch integer) returns integer language plpgsql as $$
declare
  g grants;
  m record;
  moved integer := 0;
  reaper jsonb := system_actor('reaper');
  -- read once: the planner takes no volatile function as the bound of an index, and would read all that lives
  at timestamptz := clock_timestamp();
begin
  for g in select * from grants where state = 'active' and expires_at <= at
    order by expires_at limit batch for update skip locked
  loop
    perform begin_ending(g, 'expiry', null, null, reaper, null);
    moved := moved + 1;
  end loop;
  for m in select mints.id, mints.grant_id, mints.state from mints join grants on grants.id = mints.grant_id
    where mints.state in ('intent', 'live') and mints.due_at <= at
    order by mints.due_at limit batch for update of grants skip locked
  loop
    select * into g from grants where id = m.grant_id;
    if g.state = 'issuing' then
      perform begin_ending(g, 'abandoned', null, 'deadline passed', reaper, null);
    elsif g.state = 'active' and g.expires_at <= at then
      perform begin_ending(g, 'expiry', null, null, reaper, null);
    else
      update mints set state = 'ending', epoch = epoch + 1, claimed_by = null, due_at = clock_timestamp()
       where id = m.id and state in ('intent', 'live') and due_at <= at;
      continue when not found;
      perform emit_grant_event(g, 'mint.ending', reaper, null, true,
        jsonb_build_object('mint', m.id, 'why', case m.state when 'intent' then 'abandoned' else 'expiry' end));
    end if;
    moved := moved + 1;
  end loop;
  return moved;
end $$;

-- Claims mints that are to be ended, for `lease_seconds`. p: {grant | provider, owner, limit, lease_seconds}. Each claim raises the epoch.
create function claim_mints(p jsonb) returns setof jsonb language plpgsql as $$
declare
  r record;
  m mints;
begin
  -- planned for its own selector each time, so that one provider's backlog is not read through for another's
  for r in execute format(
    'select mints.id, grants.why, grants.state as grant_state from mints join grants on grants.id = mints.grant_id
      where mints.state = ''ending'' and mints.due_at <= $3 and mints.%I = $1
      order by mints.due_at limit $2 for update of grants skip locked',
    case when p ? 'grant' then 'grant_id' else 'provider' end)
    using coalesce(p ->> 'grant', p ->> 'provider'), (p ->> 'limit')::integer, clock_timestamp()
  loop
    update mints set epoch = epoch + 1, claimed_by = p ->> 'owner', due_at = clock_timestamp() + make_interval(secs => (p ->> 'lease_seconds')::double precision)
     where id = r.id and state = 'ending' and due_at <= clock_timestamp() returning * into m;
    continue when not found;
    return next claim_of(m, case when r.grant_state in ('ending', 'stuck') then r.why else 'expiry' end);
  end loop;
end $$;

-- The handle of a mint whose answer was lost, found again. False when the claim was lost.
create function note_handle(p jsonb) returns boolean language plpgsql as $$
begin
  update mints set handle = p -> 'handle' where id = p ->> 'mint' and epoch = (p ->> 'epoch')::integer and state = 'ending';
  return found;
end $$;

-- A claimed mint is over. p: {mint, epoch, outcome: ended | absent | lapsed, cleanup: boolean}. False when the claim was lost.
create function close_mint(p jsonb) returns boolean language plpgsql as $$
declare
  g grants;
  reaper jsonb := system_actor('reaper');
begin
  select g1.* into g from grants g1 join mints m1 on m1.grant_id = g1.id where m1.id = p ->> 'mint' for update of g1;
  update mints set state = 'ended', outcome = p ->> 'outcome', ended_at = clock_timestamp(), claimed_by = null,
      cleanup_due_at = case when (p ->> 'cleanup')::boolean then clock_timestamp() end
   where id = p ->> 'mint' and epoch = (p ->> 'epoch')::integer and state = 'ending';
  if not found then
    return false;
  end if;
  perform emit_grant_event(g, 'mint.ended', reaper, null, true, jsonb_build_object('mint', p ->> 'mint', 'outcome', p ->> 'outcome'));
  perform close_grant_if_done(g.id, reaper);
  return true;
end $$;

-- Not yet: nothing failed, the end needs time. p: {mint, epoch, until}.
create function defer_mint(p jsonb) returns boolean language plpgsql as $$
begin
  update mints set due_at = greatest((p ->> 'until')::timestamptz, clock_timestamp()), claimed_by = null
   where id = p ->> 'mint' and epoch = (p ->> 'epoch')::integer and state = 'ending';
  return found;
end $$;

-- An attempt to end failed. p: {mint, epoch, error, delay_seconds, stuck_after}. After so many the grant is `stuck`: an alarm; it is
-- tried on until confirmed.
create function retry_mint(p jsonb) returns boolean language plpgsql as $$
declare
  m mints;
  g grants;
  reaper jsonb := system_actor('reaper');
begin
  select g1.* into g from grants g1 join mints m1 on m1.grant_id = g1.id where m1.id = p ->> 'mint' for update of g1;
  update mints set attempts = attempts + 1, last_error = p ->> 'error', claimed_by = null,
      due_at = clock_timestamp() + make_interval(secs => (p ->> 'delay_seconds')::double precision)
   where id = p ->> 'mint' and epoch = (p ->> 'epoch')::integer and state = 'ending' returning * into m;
  if not found then
    return false;
  end if;
  perform emit_grant_event(g, 'mint.end_failed', reaper, null, false, jsonb_build_object('mint', m.id, 'error', m.last_error, 'attempts', m.attempts));
  if g.state = 'ending' and m.attempts >= (p ->> 'stuck_after')::integer then
    update grants set state = 'stuck' where id = g.id returning * into g;
    perform emit_grant_event(g, 'grant.stuck', reaper, null, false, jsonb_build_object('mint', m.id, 'error', m.last_error, 'attempts', m.attempts));
  end if;
  return true;
end $$;

-- Hygiene after the end, claimed the same way (nothing lives any more, so no epoch is needed: doing it twice is harmless).
create function claim_cleanups(p jsonb) returns setof jsonb language plpgsql as $$
declare
  at timestamptz := clock_timestamp();
begin
  return query
    with due as (
      select id from mints where provider = p ->> 'provider' and cleanup_due_at <= at
       order by cleanup_due_at limit (p ->> 'limit')::integer for update skip locked
    )
    update mints set cleanup_tries = cleanup_tries + 1, cleanup_due_at = clock_timestamp() + make_interval(secs => (p ->> 'lease_seconds')::double precision)
      from due where mints.id = due.id
    returning jsonb_build_object('mint', mints.id, 'grant', mints.grant_id, 'request', mints.request, 'ends_at', mints.ends_at, 'tries', mints.cleanup_tries);
end $$;

-- p: {mint, until | null}: done, or to be tried again then.
create function finish_cleanup(p jsonb) returns void language sql as $$
  update mints set cleanup_due_at = (p ->> 'until')::timestamptz where id = p ->> 'mint' and state = 'ended'
$$;

-- Refusals before authentication, counted and aggregated: p: {code: count, ...}.
create function record_refusals(p jsonb, since timestamptz) returns void language plpgsql as $$
begin
  perform emit_own_event('evidence.refused', system_actor('broker'), null, null, false,
    jsonb_build_object('counts', p, 'since', utc_text(since)));
end $$;
