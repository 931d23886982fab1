-- The record. Partitioned by month; no foreign key points here or away; `body` is what is hashed and never changes;
-- `leaf` is set once, when the event is sealed into the log.
create sequence events_seq;
create table events (
  at       timestamptz not null,
  seq      bigint not null default nextval('events_seq'),
  tx       xid8 not null default pg_current_xact_id(),
  type     text not null,
  task_id  text,
  grant_id text,
  body     text not null,
  leaf     bigint,
  primary key (at, seq)
) partition by range (at);
create index events_task on events (task_id, seq) where task_id is not null;
create index events_unsealed on events (tx, seq) where leaf is null;

-- Makes the partitions for this month and `ahead` more. Attaching takes a weaker lock on the parent than
-- CREATE TABLE ... PARTITION OF, so it never waits behind, or holds up, inserts. Returns how many were made.
create function ensure_event_partitions(ahead integer) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  made integer := 0;
  month timestamptz;
  name text;
begin
  perform pg_advisory_xact_lock(1465010516, 3);
  for i in 0..ahead loop
    month := (date_trunc('month', now() at time zone 'UTC') + make_interval(months => i)) at time zone 'UTC';
    name := 'events_' || to_char(month at time zone 'UTC', 'YYYYMM');
    continue when to_regclass(name) is not null;
    execute format('create table %I (like events including defaults including constraints)', name);
    execute format('alter table events attach partition %I for values from (%L) to (%L)', name, month,
      (month at time zone 'UTC' + interval '1 month') at time zone 'UTC');
    made := made + 1;
  end loop;
  return made;
end $$;
select ensure_event_partitions(3);

-- RFC 8785 text of a jsonb value, for keys in ASCII and numbers that are integers: all that Writ writes.
create function canonical(value jsonb) returns text language plpgsql immutable strict parallel safe as $$
begin
  case jsonb_typeof(value)
    when 'object' then
      return '{' || coalesce((select string_agg(to_json(key)::text || ':' || case when jsonb_typeof(member) in ('object', 'array')
          then canonical(member) else member::text end, ',' order by key collate "C")
        from jsonb_each(value) as members (key, member)), '') || '}';
    when 'array' then
      return '[' || coalesce((select string_agg(canonical(item), ',' order by n)
        from jsonb_array_elements(value) with ordinality as items (item, n)), '') || ']';
    else
      return value::text;
  end case;
end $$;

create function utc_text(instant timestamptz) returns text language sql immutable parallel safe as
$$ select to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- `"name":"value",` for an event's body; nothing where there is no value.
create function body_member(name text, value text) returns text language sql immutable parallel safe as
$$ select coalesce('"' || name || '":' || to_json(value)::text || ',', '') $$;

-- Writes one event. Its body is RFC 8785 text, put together member by member because this is on the way of every issuance.
-- Every event has type, time, actor, success, origin and resource as far as they apply (PCI DSS 10.2.2); `facts` is what is
-- particular to the type. What does not apply is left out.
create function emit_event(event_type text, actor jsonb, trust text, subject text, principal text, task text, in_grant text, decision text,
  origin text, resource text, success boolean, facts jsonb) returns void language plpgsql as $$
declare
  event_at timestamptz := clock_timestamp();
  event_seq bigint := nextval('events_seq');
begin
  insert into events (at, seq, type, task_id, grant_id, body) values (event_at, event_seq, event_type, task, in_grant,
    '{"actor":{' || coalesce('"id":' || (actor -> 'id')::text || ',', '') || coalesce('"issuer":' || (actor -> 'issuer')::text || ',', '')
    || '"kind":' || (actor -> 'kind')::text || coalesce(',"name":' || (actor -> 'name')::text, '')
    || coalesce(',"subject":' || (actor -> 'subject')::text, '') || coalesce(',"trust":' || (actor -> 'trust')::text, '') || '},'
    || '"at":"' || utc_text(event_at) || '",' || body_member('decision', decision)
    || '"facts":' || canonical(jsonb_strip_nulls(facts)) || ',' || body_member('grant', in_grant) || body_member('origin', origin)
    || body_member('principal', principal) || body_member('resource', resource) || '"seq":' || event_seq
    || ',"success":' || success || ',' || body_member('task', task) || '"type":"' || event_type || '"'
    || coalesce(',"workload":{"id":' || to_json(subject)::text || ',"trust":' || to_json(trust)::text || '}', '') || '}');
end $$;

create function workload_actor(trust text, subject text) returns jsonb language sql immutable parallel safe as
$$ select jsonb_build_object('kind', 'workload', 'trust', trust, 'id', subject) $$;

create function system_actor(name text) returns jsonb language sql immutable parallel safe as
$$ select jsonb_build_object('kind', 'system', 'name', name) $$;

-- An event of no workload: of an order, a generation, a key.
create function emit_own_event(event_type text, actor jsonb, origin text, resource text, success boolean, facts jsonb) returns void
language sql as $$ select emit_event(event_type, actor, null, null, null, null, null, null, origin, resource, success, facts) $$;
