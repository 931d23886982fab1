-- What waits for a person is counted for its limit behind a lock of the workload's: of those that ask at one moment none passes it. It is the last
-- lock that a transition takes, and nothing is waited for under it.

-- As before, with that lock.
create or replace function request_approval(a jsonb, d jsonb, of_grant text, task text, owner text, environment text, at timestamptz, origin text) returns void
language plpgsql as $$
begin
  perform pg_advisory_xact_lock(1465010521, hashtext((d ->> 'trust') || ' ' || (d ->> 'subject')));
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
      'expires_at', utc_text((a ->> 'expires_at')::timestamptz), 'owner', request_approval.owner, 'environment', request_approval.environment,
      'chain', coalesce(a -> 'chain', '[]'), 'asked_by', a #> '{asked,asked_by}', 'notify', coalesce(a -> 'notify', '[]')));
  perform pg_notify('writ', 'approval');
end $$;
