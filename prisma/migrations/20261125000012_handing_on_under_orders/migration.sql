-- Nothing is handed on from a task that an order covers, also where the order names its holder: whoever receives it is not covered themselves.

-- As open_task, of a task that has a parent. An order over the parent refuses it, and is on record as any other refusal; as the orders are read
-- under the lock that giving one takes alone, none comes in between.
create function take_task(p jsonb) returns jsonb language plpgsql as $$
declare
  d jsonb := p -> 'decision';
  parent tasks;
  order_in_the_way text;
begin
  perform lock_rules_shared();
  if active_generation() is distinct from (d ->> 'generation')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  end if;
  select * into parent from tasks where id = p #>> '{task,parent}';
  order_in_the_way := blocking_order(parent.subject, parent.on_behalf_of, parent.path, null, null, parent.environment, null);
  if order_in_the_way is null then
    return open_task(p);
  end if;
  perform write_decision(d || jsonb_build_object('outcome', 'deny', 'code', 'under_order', 'task_id', parent.id), null, clock_timestamp());
  return jsonb_build_object('refused', 'under_order', 'order', order_in_the_way);
end $$;
