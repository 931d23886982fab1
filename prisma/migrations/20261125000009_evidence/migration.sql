-- What evidence is handed on to (sinks), what may not be put away (legal holds), and what was put away (archives).

-- A receiver of sealed events, in their order, by a cursor. Whoever of the replicas comes first claims it for a while.
create table sinks (
  name         text primary key,
  -- the first leaf that is not settled: delivered, or among the dead letters
  position     bigint not null check (position >= 0),
  claimed_by   text,
  claimed_until timestamptz,
  -- failures in a row, and when it is tried again
  attempts     integer not null default 0,
  due_at       timestamptz not null default clock_timestamp(),
  last_error   text,
  delivered_at timestamptz,
  created_at   timestamptz not null default clock_timestamp()
);

-- What a receiver refuses as it is, and what comes later of the same task: behind it, so that order by task holds.
create table dead_letters (
  sink      text not null references sinks (name),
  leaf      bigint not null,
  task_id   text,
  error     text not null,
  at        timestamptz not null default clock_timestamp(),
  -- somebody has asked that it be tried again
  replay_at timestamptz,
  primary key (sink, leaf)
);
create index dead_letters_task on dead_letters (sink, task_id) where task_id is not null;
create index dead_letters_replay on dead_letters (sink, leaf) where replay_at is not null;

-- p: {sink, owner, from: 'start' | 'now', lease_seconds}. Returns {"position", "attempts"} or null: somebody else has it, or it is not due.
create function claim_sink(p jsonb) returns jsonb language plpgsql as $$
declare
  s sinks;
begin
  insert into sinks (name, position) values (p ->> 'sink', case p ->> 'from' when 'now' then (select size from log_head) else 0 end)
  on conflict do nothing;
  update sinks set claimed_by = p ->> 'owner', claimed_until = clock_timestamp() + make_interval(secs => (p ->> 'lease_seconds')::double precision)
   where name = p ->> 'sink' and due_at <= clock_timestamp()
     and (claimed_until is null or claimed_until <= clock_timestamp() or claimed_by = p ->> 'owner')
  returning * into s;
  return case when s.name is not null then jsonb_build_object('position', s.position, 'attempts', s.attempts) end;
end $$;

-- What came of a claim. p: {sink, owner, from, to, dead: [{leaf, task, error}], error: text | null, delay_seconds}. False: the claim was lost,
-- and nothing was changed. With an error the cursor may have moved, and the claim is let go until the delay is over.
create function settle_sink(p jsonb) returns boolean language plpgsql as $$
begin
  update sinks set position = (p ->> 'to')::bigint, claimed_by = null, claimed_until = null, last_error = p ->> 'error',
      attempts = case when p ->> 'error' is null then 0 when (p ->> 'to')::bigint > (p ->> 'from')::bigint then 1 else attempts + 1 end,
      due_at = clock_timestamp() + make_interval(secs => (p ->> 'delay_seconds')::double precision),
      delivered_at = case when (p ->> 'to')::bigint > (p ->> 'from')::bigint then clock_timestamp() else delivered_at end
   where name = p ->> 'sink' and claimed_by = p ->> 'owner' and claimed_until > clock_timestamp() and position = (p ->> 'from')::bigint
     and (p ->> 'to')::bigint >= position;
  if not found then
    return false;
  end if;
  insert into dead_letters (sink, leaf, task_id, error)
  select p ->> 'sink', d.leaf, d.task, d.error from jsonb_to_recordset(p -> 'dead') as d (leaf bigint, task text, error text)
  on conflict do nothing;
  return true;
end $$;

-- A dead letter that was tried again: gone where the receiver took it, back to waiting for a person where it did not.
-- p: {sink, leaf, error: text | null}.
create function settle_dead_letter(p jsonb) returns void language plpgsql as $$
begin
  if p ->> 'error' is null then
    delete from dead_letters where sink = p ->> 'sink' and leaf = (p ->> 'leaf')::bigint and replay_at is not null;
  else
    update dead_letters set replay_at = null, error = p ->> 'error'
     where sink = p ->> 'sink' and (leaf = (p ->> 'leaf')::bigint or (task_id is not null and leaf > (p ->> 'leaf')::bigint
       and task_id = (select task_id from dead_letters d where d.sink = p ->> 'sink' and d.leaf = (p ->> 'leaf')::bigint)));
  end if;
end $$;

-- A person asks that dead letters be tried again: of one task, or all of a sink. p: {sink, task | null, reason, actor, origin}.
create function replay_dead_letters(p jsonb) returns jsonb language plpgsql as $$
declare
  marked integer;
begin
  if not exists (select 1 from sinks where name = p ->> 'sink') then
    return jsonb_build_object('refused', 'not_found');
  end if;
  update dead_letters set replay_at = clock_timestamp()
   where sink = p ->> 'sink' and replay_at is null and (p ->> 'task' is null or task_id = p ->> 'task');
  get diagnostics marked = row_count;
  perform emit_own_event('letters.replayed', p -> 'actor', p ->> 'origin', p ->> 'sink', true,
    jsonb_build_object('sink', p ->> 'sink', 'of_task', p ->> 'task', 'count', marked, 'reason', p ->> 'reason'));
  return jsonb_build_object('count', marked);
end $$;

-- As before, and it says what was affected.
create or replace function record_refusals(p jsonb, since timestamptz) returns void language plpgsql as $$
begin
  perform emit_own_event('evidence.refused', system_actor('broker'), null, 'authentication', false,
    jsonb_build_object('counts', p, 'since', utc_text(since)));
end $$;

-- While one stands, no month that it covers is put away. Without bounds it covers everything.
create table legal_holds (
  id          text primary key,
  reason      text not null,
  from_at     timestamptz,
  to_at       timestamptz check (to_at > from_at),
  placed_by   jsonb not null,
  placed_at   timestamptz not null,
  lifted_by   jsonb,
  lifted_at   timestamptz,
  lift_reason text,
  constraint legal_holds_lifted_whole check (num_nonnulls(lifted_by, lifted_at, lift_reason) in (0, 3))
);
create trigger legal_holds_stay before delete on legal_holds for each row execute function refuse_change();
create trigger legal_holds_are_kept before update on legal_holds for each row
  when (old.lifted_at is not null or (old.id, old.reason, old.from_at, old.to_at, old.placed_by, old.placed_at)
    is distinct from (new.id, new.reason, new.from_at, new.to_at, new.placed_by, new.placed_at))
  execute function refuse_change();

-- Holds are placed, lifted and looked at under one lock, so that a month is not put away beside a hold that is being placed.
create function lock_holds() returns void language sql as $$ select pg_advisory_xact_lock(1465010516, 9) $$;

-- p: {id, reason, from, to, actor, origin}.
create function place_hold(p jsonb) returns jsonb language plpgsql as $$
declare
  h legal_holds;
begin
  perform lock_holds();
  insert into legal_holds (id, reason, from_at, to_at, placed_by, placed_at)
  values (p ->> 'id', p ->> 'reason', (p ->> 'from')::timestamptz, (p ->> 'to')::timestamptz, p -> 'actor', clock_timestamp())
  returning * into h;
  perform emit_own_event('hold.placed', p -> 'actor', p ->> 'origin', h.id, true,
    jsonb_build_object('hold', h.id, 'reason', h.reason, 'from', utc_text(h.from_at), 'to', utc_text(h.to_at)));
  return jsonb_build_object('placed_at', h.placed_at);
end $$;

-- p: {id, reason, actor, origin}. {"refused": "not_found" | "already_lifted"}, or {}.
create function lift_hold(p jsonb) returns jsonb language plpgsql as $$
declare
  h legal_holds;
begin
  perform lock_holds();
  select * into h from legal_holds where id = p ->> 'id' for update;
  if h.id is null then
    return jsonb_build_object('refused', 'not_found');
  elsif h.lifted_at is not null then
    return jsonb_build_object('refused', 'already_lifted');
  end if;
  update legal_holds set lifted_by = p -> 'actor', lifted_at = clock_timestamp(), lift_reason = p ->> 'reason' where id = h.id;
  perform emit_own_event('hold.lifted', p -> 'actor', p ->> 'origin', h.id, true, jsonb_build_object('hold', h.id, 'reason', p ->> 'reason'));
  return '{}';
end $$;

-- Months whose events were put away. Their hashes stay in the log: `leaves` says which texts the database no longer has.
create table event_archives (
  month       text primary key check (month ~ '^\d{4}-(0[1-9]|1[0-2])$'),
  events      bigint not null,
  leaves      int8multirange not null,
  -- of the file that they were written to
  sha256      text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  archived_at timestamptz not null default clock_timestamp()
);
create trigger event_archives_are_kept before update or delete on event_archives for each row execute function refuse_change();

-- Why a month cannot be put away: 'not_over', 'no_such_month', 'archived', 'unsealed', 'unsigned', 'held'; or null.
create function archive_refused(wanted text) returns text language plpgsql as $$
declare
  part regclass := to_regclass('events_' || replace(wanted, '-', ''));
  first timestamptz := (wanted || '-01')::timestamp at time zone 'UTC';
  last timestamptz := ((wanted || '-01')::timestamp + interval '1 month') at time zone 'UTC';
  unsealed boolean;
  highest bigint;
begin
  if exists (select 1 from event_archives where month = wanted) then
    return 'archived';
  elsif part is null then
    return 'no_such_month';
  elsif last > clock_timestamp() - interval '1 hour' then
    return 'not_over';
  elsif exists (select 1 from legal_holds where lifted_at is null and coalesce(from_at < last, true) and coalesce(to_at > first, true)) then
    return 'held';
  end if;
  execute format('select exists (select 1 from %s where leaf is null), (select max(leaf) from %s)', part, part) into unsealed, highest;
  if unsealed then
    return 'unsealed';
  elsif coalesce(highest, 0) >= (select coalesce(max(size), 0) from log_checkpoints) then
    return 'unsigned';
  end if;
  return null;
end $$;

-- Detaches a month whose events were written to a file with this digest. The database's owner alone may. Returns null, or why not:
-- as archive_refused, or 'changed' where it does not hold as many events as were written.
create function archive_events(wanted text, written bigint, digest text) returns text language plpgsql as $$
declare
  part text := 'events_' || replace(wanted, '-', '');
  refusal text;
  there bigint;
  which int8multirange;
begin
  perform lock_holds();
  refusal := archive_refused(wanted);
  if refusal is not null then
    return refusal;
  end if;
  execute format('select count(*), coalesce(range_agg(int8range(leaf, leaf + 1)), ''{}'') from %I', part) into there, which;
  if there <> written then
    return 'changed';
  end if;
  insert into event_archives (month, events, leaves, sha256) values (wanted, there, which, digest);
  perform emit_own_event('events.archived', system_actor('archive'), null, part, true,
    jsonb_build_object('month', wanted, 'count', there, 'sha256', digest));
  execute format('alter table events detach partition %I', part);
  return null;
end $$;

grant select on sinks, dead_letters, legal_holds, event_archives to writ_broker;
grant insert on sinks to writ_broker;
grant update (position, claimed_by, claimed_until, attempts, due_at, last_error, delivered_at) on sinks to writ_broker;
grant insert, delete on dead_letters to writ_broker;
grant update (replay_at, error) on dead_letters to writ_broker;
grant insert on legal_holds to writ_broker;
grant update (lifted_by, lifted_at, lift_reason) on legal_holds to writ_broker;
revoke execute on function archive_events(text, bigint, text) from public;
