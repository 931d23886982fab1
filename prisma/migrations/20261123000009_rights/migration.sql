-- What the broker's own login may do, as a group role: read all, add, change the columns that change, delete only idempotency keys,
-- and of events insert and mark alone. A deployment's login becomes a member: GRANT writ_broker TO <login>.
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
-- who, what for and under which decision never changes: only what the steps of a life change
grant update (state, grants_used, calls_used, ended_at, ended_why) on tasks to writ_broker;
grant update (state, why, order_id, reason, issued_at, expires_at, ending_at, closed_at) on grants to writ_broker;
grant update (state, epoch, claimed_by, due_at, handle, attempts, last_error, outcome, cleanup_due_at, cleanup_tries, activated_at, ended_at)
  on mints to writ_broker;
grant update (swept_at, lift_requested_at, lift_requested_by, lifted_at, lifted_by, lift_reason) on orders to writ_broker;
grant update (state, consumed_at) on approvals to writ_broker;
grant update (grant_id, created_at) on idempotency_keys to writ_broker;
grant update (signs_until, gone_at, wrapped, kek_id, wiped_at) on signing_keys to writ_broker;
grant update (leaf) on events to writ_broker;
grant delete on idempotency_keys to writ_broker;
grant usage on sequence events_seq to writ_broker;
revoke execute on function ensure_event_partitions(integer) from public;
grant execute on function ensure_event_partitions(integer) to writ_broker;
