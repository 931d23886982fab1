-- The sealed log: events in the order in which they became part of one Merkle tree (RFC 6962), and signed statements about it.
-- Everything here is only ever added to. Hashes are computed by the broker; what the database holds is order, and that
-- nothing is sealed twice.

-- How far the log has come: the one row that a sealer compares and sets.
create table log_head (
  one       boolean primary key check (one),
  -- which log this is, wherever its database is restored: the default of the origin of its checkpoints
  log_id    text not null,
  size      bigint not null,
  root      bytea not null,
  -- the last event sealed, in the order (tx, seq): the index is entered here. Transaction ids start again on a new server
  -- after a restore; what says whether an event is sealed is its own mark
  tx        xid8 not null,
  seq       bigint not null,
  sealed_at timestamptz
);
insert into log_head (one, log_id, size, root, tx, seq) values (true, 'writ/' || gen_random_uuid(), 0, sha256(''), '0', 0);

-- The tree's hashes one behind the other, as many as were written at once in a row: each leaf's, then those of the perfect
-- subtrees that it completes. A tree of n leaves has 2n minus the ones in n written in binary.
create table log_hashes (
  -- position of the row's first hash
  first  bigint primary key,
  hashes bytea not null check (octet_length(hashes) > 0 and octet_length(hashes) % 32 = 0)
);
-- never compressed, so that a part of it is read without the rest
alter table log_hashes alter column hashes set storage external;

create table log_checkpoints (
  size   bigint primary key check (size > 0),
  root   bytea not null check (octet_length(root) = 32),
  origin text not null,
  -- the key that has signed it, as a signed note writes keys
  key    text not null,
  note   text not null,
  at     timestamptz not null default clock_timestamp()
);

create index events_leaf on events (leaf) where leaf is not null;

-- An event is of its own transaction and of now, and is not sealed: nothing can be dated back. It then only ever gets its leaf.
create function refuse_event() returns trigger language plpgsql as $$
begin
  raise exception 'an event is of its own transaction and time, and is sealed later' using errcode = 'check_violation';
end $$;
create trigger events_are_of_now before insert on events for each row
  when (new.leaf is not null or new.tx <> pg_current_xact_id()
    or new.at not between transaction_timestamp() - interval '1 minute' and clock_timestamp() + interval '1 minute')
  execute function refuse_event();
create trigger events_are_kept before update on events for each row
  when (old.leaf is not null or new.leaf is null
    or (old.at, old.seq, old.tx, old.type, old.task_id, old.grant_id, old.body) is distinct from (new.at, new.seq, new.tx, new.type, new.task_id, new.grant_id, new.body))
  execute function refuse_change();
create trigger events_stay before delete on events for each row execute function refuse_change();
create trigger log_hashes_are_kept before update or delete on log_hashes for each row execute function refuse_change();
create trigger log_checkpoints_are_kept before update or delete on log_checkpoints for each row execute function refuse_change();
create trigger log_head_stays before delete on log_head for each row execute function refuse_change();
create trigger log_head_grows before update on log_head for each row when (new.size <= old.size or new.log_id <> old.log_id)
  execute function refuse_change();

create function stored_hashes(size bigint) returns bigint language sql immutable strict parallel safe as
$$ select 2 * size - bit_count(size::bit(64)) $$;

-- What is to be sealed next, in its order: of transactions that are over, beside which no older one can still appear. Up to
-- `max_events`, and up to `max_bytes` of text where that is more than one. `after_tx` is where the index is entered.
-- A row that is there although its transaction has not begun came with a restore: it goes first, with `tx` null.
create function unsealed_events(after_tx xid8, max_events integer, max_bytes bigint)
returns table (at_text text, seq bigint, tx xid8, body text) language plpgsql stable as $$
begin
  return query
    select utc_text(b.at), b.seq, null::xid8, b.body from (
      select n.*, sum(octet_length(n.body)) over (order by n.tx, n.seq) - octet_length(n.body) as before from (
        select e.at, e.seq, e.tx, e.body from events e
         where e.leaf is null and e.tx >= pg_snapshot_xmax(pg_current_snapshot()) order by e.tx, e.seq limit max_events) n) b
     where b.before < max_bytes order by b.tx, b.seq;
  if found then
    return;
  end if;
  return query
    select utc_text(b.at), b.seq, b.tx, b.body from (
      select n.*, sum(octet_length(n.body)) over (order by n.tx, n.seq) - octet_length(n.body) as before from (
        select e.at, e.seq, e.tx, e.body from events e
         where e.leaf is null and e.tx >= after_tx and e.tx < pg_snapshot_xmin(pg_current_snapshot()) order by e.tx, e.seq limit max_events) n) b
     where b.before < max_bytes order by b.tx, b.seq;
end $$;

-- Seals a batch: marks its events in their order, adds the hashes, moves the head. All or nothing, and nothing (false) when
-- another sealer came first. `last_tx` is null where the batch came with a restore. This alone may set a leaf.
create function seal_events(from_size bigint, ats timestamptz[], seqs bigint[], last_tx xid8, hashes bytea, new_root bytea)
returns boolean language plpgsql security definer set search_path = public, pg_temp as $$
declare
  h log_head;
  n bigint := cardinality(seqs);
  marked bigint;
begin
  select * into h from log_head for update;
  if h.size <> from_size or n = 0 then
    return false;
  end if;
  if octet_length(hashes) <> 32 * (stored_hashes(h.size + n) - stored_hashes(h.size)) or octet_length(new_root) <> 32 then
    raise exception 'these are not the hashes of % events', n using errcode = 'check_violation';
  end if;
  update events e set leaf = h.size + m.n - 1
    from unnest(ats, seqs) with ordinality as m (at, seq, n)
   where e.at = m.at and e.seq = m.seq and e.leaf is null;
  get diagnostics marked = row_count;
  if marked <> n then
    raise exception '% of % events could be sealed', marked, n using errcode = 'check_violation';
  end if;
  insert into log_hashes (first, hashes) values (stored_hashes(h.size), seal_events.hashes);
  update log_head set size = h.size + n, root = new_root, sealed_at = clock_timestamp(),
      tx = coalesce(last_tx, h.tx), seq = case when last_tx is null then h.seq else seqs[n] end;
  return true;
end $$;

-- Keeps a checkpoint that was signed after its size was committed. False when there is one of this size.
create function keep_checkpoint(for_size bigint, for_root bytea, origin text, key text, note text)
returns boolean language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if not exists (select from log_head where size > for_size or (size = for_size and root = for_root)) then
    raise exception 'the log has not been of this size' using errcode = 'check_violation';
  end if;
  insert into log_checkpoints (size, root, origin, key, note) values (for_size, for_root, keep_checkpoint.origin, keep_checkpoint.key, keep_checkpoint.note)
  on conflict do nothing;
  return found;
end $$;

-- A read of the record by a person. p: {actor, origin, resource, what, query, count}.
create function record_read(p jsonb) returns void language plpgsql as $$
begin
  perform emit_own_event('evidence.read', p -> 'actor', p ->> 'origin', p ->> 'resource', true,
    jsonb_build_object('what', p ->> 'what', 'query', p -> 'query', 'count', p -> 'count'));
end $$;

-- The broker's login looks; it seals by way of `seal_events`, and marks no event itself any more.
revoke update (leaf) on events from writ_broker;
grant select on log_head, log_hashes, log_checkpoints to writ_broker;
revoke execute on function seal_events(bigint, timestamptz[], bigint[], xid8, bytea, bytea) from public;
revoke execute on function keep_checkpoint(bigint, bytea, text, text, text) from public;
grant execute on function seal_events(bigint, timestamptz[], bigint[], xid8, bytea, bytea) to writ_broker;
grant execute on function keep_checkpoint(bigint, bytea, text, text, text) to writ_broker;
