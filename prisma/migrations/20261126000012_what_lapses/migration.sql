-- What may lapse is found by an index: every look for it read all approvals that there ever were.

create index approvals_to_lapse on approvals (expires_at) where state in ('pending', 'approved');
drop index approvals_pending;

create or replace function lapse_approvals(batch integer) returns integer language plpgsql as $$
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
  for a in select * from approvals where state in ('pending', 'approved')
      and (((state = 'pending' or kind = 'call') and expires_at <= at)
        or (state = 'approved' and kind = 'issue' and exists (select 1 from grants where grants.id = grant_id and grants.state = 'lapsed')))
    order by expires_at limit batch for update skip locked
  loop
    update approvals set state = 'lapsed', closed_at = clock_timestamp() where id = a.id;
    perform emit_event('approval.lapsed', reaper, a.trust, a.subject, a.on_behalf_of, a.task_id, a.grant_id, a.decision_id, null, a.id, true,
      jsonb_build_object('approval', a.id));
    lapsed := lapsed + 1;
  end loop;
  return lapsed;
end $$;

insert into works_with (migration, since) values ('20261126000012_what_lapses', '20261126000005_approvals_at_once');
