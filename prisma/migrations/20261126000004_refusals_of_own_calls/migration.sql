-- A call that its own workload asked about is on record as such once more, where asking for its approval is refused.

-- As before, and `asked_by` is as in decisions: null where the workload asks for itself.
create or replace function deny_again(d decisions, id text, code text, asked_by jsonb, at timestamptz, origin text) returns void language plpgsql as $$
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
  perform emit_event('call.decided', coalesce(jsonb_build_object('kind', 'workload') || d.asked_by, workload_actor(d.trust, d.subject)), d.trust, d.subject,
    d.on_behalf_of, d.task_id, d.grant_id, d.id, d.origin, d.resource, false,
    jsonb_build_object('outcome', d.outcome, 'code', d.code, 'generation', d.generation, 'rules_hash', d.rules_hash, 'policies', to_jsonb(d.policies),
      'controls', to_jsonb(d.controls), 'errors', d.errors, 'mode', d.mode, 'exception', d.exception_id, 'arguments_hash', d.arguments_hash,
      'inputs_hash', encode(sha256(convert_to(canonical(d.inputs), 'UTF8')), 'hex')));
end $$;

-- As before, and a refusal of a call's own workload names no client.
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
      perform deny_again(d, p ->> 'refusal', refusal, p #> '{approval,asked,asked_by}', at, p ->> 'origin');
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
