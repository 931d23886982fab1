-- What the broker's own login may do, as a group role: read all, write through the tables' guards, delete only idempotency
-- keys, and of events insert and mark alone. A deployment's login becomes a member: GRANT writ_broker TO <login>.
do $$
begin
  if not exists (select 1 from pg_roles where rolname = 'writ_broker') then
    create role writ_broker nologin;
  end if;
exception when duplicate_object or unique_violation then
  null; -- another database of this server was migrated at the same moment
end $$;
grant usage on schema public to writ_broker;
grant select on all tables in schema public to writ_broker;
grant insert on rule_texts, generations, decisions, tasks, orders, grants, mints, approvals, approval_answers, idempotency_keys, signing_keys, events to writ_broker;
grant update on tasks, orders, grants, mints, approvals, idempotency_keys, signing_keys to writ_broker;
grant update (leaf) on events to writ_broker;
grant delete on idempotency_keys to writ_broker;
grant usage on sequence events_seq to writ_broker;
revoke execute on function ensure_event_partitions(integer) from public;
grant execute on function ensure_event_partitions(integer) to writ_broker;
