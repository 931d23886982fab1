-- Activates a set of rules for every replica. p: {hash, body, author, difference, base: number | null, origin}.
-- `base` is the generation that the difference was made against. Returns {"number", "activated_at", "unchanged"} or
-- {"refused": "generation_behind"} when another one came first.
create function activate_generation(p jsonb) returns jsonb language plpgsql as $$
declare
  active generations;
  fresh generations;
begin
  perform lock_rules();
  select * into active from generations order by number desc limit 1;
  if active.number is distinct from (p ->> 'base')::bigint then
    return jsonb_build_object('refused', 'generation_behind');
  elsif active.hash = p ->> 'hash' then
    return jsonb_build_object('number', active.number, 'activated_at', active.activated_at, 'unchanged', true);
  end if;
  insert into rule_texts (hash, body) values (p ->> 'hash', p ->> 'body') on conflict (hash) do nothing;
  insert into generations (number, hash, author, difference, activated_at)
  values (coalesce(active.number, 0) + 1, p ->> 'hash', p -> 'author', p -> 'difference', clock_timestamp()) returning * into fresh;
  perform emit_event('generation.activated', jsonb_build_object('actor', fresh.author, 'origin', p ->> 'origin', 'resource', fresh.hash), true,
    jsonb_build_object('number', fresh.number, 'hash', fresh.hash, 'difference', fresh.difference));
  perform pg_notify('writ', 'generation');
  return jsonb_build_object('number', fresh.number, 'activated_at', fresh.activated_at, 'unchanged', false);
end $$;

-- What decided once is kept as it was.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is never changed', tg_table_name using errcode = 'check_violation';
end $$;
create trigger rule_texts_are_kept before update or delete on rule_texts for each row execute function refuse_change();
create trigger generations_are_kept before update or delete on generations for each row execute function refuse_change();
create trigger decisions_are_kept before update or delete on decisions for each row execute function refuse_change();
