-- Revocation orders. Inserting one is O(1) and commits at once; from then on everything that matches is refused, because
-- whatever gives reads the orders under the shared lock. The sweep of what is live follows in batches.

-- p: {id, kind, value, reason, author, blocks, origin}. Returns {"created_at"}.
create function create_order(p jsonb) returns jsonb language plpgsql as $$
declare
  o orders;
begin
  perform lock_rules();
  insert into orders (id, kind, value, reason, author, blocks, created_at)
  values (p ->> 'id', p ->> 'kind', p ->> 'value', p ->> 'reason', p -> 'author', (p ->> 'blocks')::boolean, clock_timestamp()) returning * into o;
  perform emit_own_event('order.created', o.author, p ->> 'origin', o.id, true,
    jsonb_build_object('order', o.id, 'kind', o.kind, 'value', o.value, 'reason', o.reason, 'blocks', o.blocks));
  perform pg_notify('writ', 'order');
  return jsonb_build_object('created_at', o.created_at);
end $$;

-- A task and all below it.
create function descendants(task text) returns setof text language sql stable as $$
  with recursive tree (id) as (
    select task union all select tasks.id from tasks join tree on tasks.parent_id = tree.id
  ) select id from tree
$$;

-- The condition on grants that a selector stands for, with $1 as its value: a fixed text for each kind.
create function selector_condition(kind text) returns text language sql immutable strict as $$
  select case kind
    when 'agent' then 'subject = $1' when 'profile' then 'profile = $1' when 'owner' then 'owner = $1'
    when 'environment' then 'environment = $1' when 'provider' then 'provider = $1' when 'on_behalf_of' then 'on_behalf_of = $1'
    when 'task' then 'task_id in (select descendants($1))' when 'all' then '$1 = ''*''' end
$$;

-- How many grants a selector covers that are not ending already, by provider: {"provider": count}.
create function count_matching(kind text, value text) returns jsonb language plpgsql stable as $$
declare
  counts jsonb;
begin
  execute format('select coalesce(jsonb_object_agg(provider, n), ''{}'') from (select provider, count(*) as n from grants
    where state in (''pending_approval'', ''issuing'', ''active'') and %s group by provider) as c', selector_condition(kind)) into counts using value;
  return counts;
end $$;

-- Ends up to `batch` grants that the order covers and that were opened before it. Returns {"moved", "done"}. Lifting the order
-- stops its blocking, never its sweep.
create function sweep_order(wanted text, batch integer) returns jsonb language plpgsql as $$
declare
  o orders;
  g grants;
  moved integer := 0;
  remain boolean;
  condition text;
begin
  select * into o from orders where id = wanted;
  condition := format('state in (''pending_approval'', ''issuing'', ''active'') and opened_at <= $2 and %s', selector_condition(o.kind));
  for g in execute format('select * from grants where %s limit $3 for update skip locked', condition) using o.value, o.created_at, batch
  loop
    if g.state = 'pending_approval' then
      update grants set state = 'refused', order_id = o.id, closed_at = clock_timestamp() where id = g.id returning * into g;
      perform emit_grant_event(g, 'grant.refused', o.author, null, true, jsonb_build_object('order', o.id));
    else
      perform begin_ending(g, 'order', o.id, o.reason, o.author, null);
    end if;
    moved := moved + 1;
  end loop;
  execute format('select exists (select 1 from grants where %s)', condition) into remain using o.value, o.created_at;
  if not remain then
    update orders set swept_at = clock_timestamp() where id = o.id and swept_at is null;
    if found then
      perform emit_own_event('order.swept', system_actor('reaper'), null, o.id, true,
        jsonb_build_object('order', o.id, 'matched', (select count(*) from grants where order_id = o.id)));
    end if;
  end if;
  return jsonb_build_object('moved', moved, 'done', not remain);
end $$;

-- Stops the blocking. An order over everything takes two people: the first call only asks.
-- p: {order, reason, actor, origin}. Returns {"state": "lifted" | "lift_requested"} or {"refused": code}.
create function lift_order(p jsonb) returns jsonb language plpgsql as $$
declare
  o orders;
begin
  perform lock_rules();
  select * into o from orders where id = p ->> 'order' for update;
  if not found then
    return jsonb_build_object('refused', 'not_found');
  elsif o.lifted_at is not null then
    return jsonb_build_object('refused', 'already_lifted');
  end if;
  if o.kind = 'all' and o.lift_requested_by is null then
    update orders set lift_requested_at = clock_timestamp(), lift_requested_by = p -> 'actor', lift_reason = p ->> 'reason' where id = o.id;
    perform emit_own_event('order.lift_requested', p -> 'actor', p ->> 'origin', o.id, true, jsonb_build_object('order', o.id, 'reason', p ->> 'reason'));
    return jsonb_build_object('state', 'lift_requested');
  elsif o.kind = 'all' and o.lift_requested_by @> jsonb_build_object('issuer', p #> '{actor,issuer}', 'subject', p #> '{actor,subject}') then
    perform emit_own_event('order.lift_requested', p -> 'actor', p ->> 'origin', o.id, false, jsonb_build_object('order', o.id, 'reason', p ->> 'reason', 'code', 'lift_needs_another_operator'));
    return jsonb_build_object('refused', 'lift_needs_another_operator');
  end if;
  update orders set lifted_at = clock_timestamp(), lifted_by = p -> 'actor', lift_reason = coalesce(lift_reason, p ->> 'reason') where id = o.id;
  perform emit_own_event('order.lifted', p -> 'actor', p ->> 'origin', o.id, true, jsonb_build_object('order', o.id, 'reason', p ->> 'reason', 'requested_by', o.lift_requested_by));
  perform pg_notify('writ', 'order');
  return jsonb_build_object('state', 'lifted');
end $$;

-- Whether the credential of a mint counts right now: state, time and orders are all asked, so that an order bites before
-- its sweep has come round. Null when there is no such mint.
create function mint_is_active(wanted text) returns boolean language sql stable as $$
  select m.state = 'live' and g.state = 'active' and m.ends_at > clock_timestamp() and g.expires_at > clock_timestamp()
     and blocking_order(g.subject, g.on_behalf_of, g.task_path, g.profile, g.owner, g.environment, g.provider) is null
     and not exists (
       select 1 from orders o where o.swept_at is null and o.created_at >= g.opened_at
         and case o.kind when 'all' then true when 'agent' then o.value = g.subject when 'task' then o.value = any (g.task_path)
           when 'profile' then o.value = g.profile when 'owner' then o.value = g.owner when 'environment' then o.value = g.environment
           when 'provider' then o.value = g.provider when 'on_behalf_of' then o.value = g.on_behalf_of end)
    from mints m join grants g on g.id = m.grant_id where m.id = wanted
$$;
