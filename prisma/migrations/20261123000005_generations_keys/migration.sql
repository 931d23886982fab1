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
  perform emit_own_event('generation.activated', fresh.author, p ->> 'origin', fresh.hash, true,
    jsonb_build_object('number', fresh.number, 'hash', fresh.hash, 'difference', fresh.difference));
  perform pg_notify('writ', 'generation');
  return jsonb_build_object('number', fresh.number, 'activated_at', fresh.activated_at, 'unchanged', false);
end $$;

-- What decided once is kept as it was, and so is a grant that is closed.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'a row of % is kept as it is', tg_table_name using errcode = 'check_violation';
end $$;
create trigger rule_texts_are_kept before update or delete on rule_texts for each row execute function refuse_change();
create trigger generations_are_kept before update or delete on generations for each row execute function refuse_change();
create trigger decisions_are_kept before update or delete on decisions for each row execute function refuse_change();
create trigger grants_closed_are_kept before update on grants for each row when (old.closed_at is not null) execute function refuse_change();

-- A new signing key. p: {kid, class, alg, public_jwk, wrapped, kek_id, after: kid | null, lead_seconds, keep_seconds}. `after` is the
-- newest key of the class as the caller knows it: it signs for `lead_seconds` more, while the new one is published already,
-- and stays published for `keep_seconds` after that. False when another replica was first.
create function add_signing_key(p jsonb) returns boolean language plpgsql as $$
declare
  at timestamptz := clock_timestamp();
  starts timestamptz := at;
begin
  perform pg_advisory_xact_lock(1465010516, 5);
  if p ->> 'after' is not null then
    starts := at + make_interval(secs => (p ->> 'lead_seconds')::double precision);
    update signing_keys set signs_until = starts, gone_at = starts + make_interval(secs => (p ->> 'keep_seconds')::double precision)
     where kid = p ->> 'after' and class = p ->> 'class' and signs_until is null;
    if not found then
      return false;
    end if;
  end if;
  insert into signing_keys (kid, class, alg, public_jwk, wrapped, kek_id, created_at, signs_from)
  values (p ->> 'kid', p ->> 'class', p ->> 'alg', p -> 'public_jwk', p ->> 'wrapped', p ->> 'kek_id', at, starts)
  on conflict do nothing;
  if not found then
    return false;
  end if;
  perform emit_own_event('key.added', system_actor('broker'), null, p ->> 'kid', true,
    jsonb_build_object('class', p ->> 'class', 'alg', p ->> 'alg', 'kek', p ->> 'kek_id', 'signs_from', utc_text(starts), 'after', p ->> 'after'));
  return true;
end $$;

-- Replaces what is stored of a key's private half, if it is still `from`: by the same under another key-encryption key
-- (`wipe` false), or, once it has signed for the last time, by a seal without it. p: {kid, from, wrapped, kek_id, wipe}.
create function reseal_signing_key(p jsonb) returns boolean language plpgsql as $$
begin
  update signing_keys set wrapped = p ->> 'wrapped', kek_id = p ->> 'kek_id', wiped_at = case when (p ->> 'wipe')::boolean then clock_timestamp() else wiped_at end
   where kid = p ->> 'kid' and wrapped = p ->> 'from' and (not (p ->> 'wipe')::boolean or signs_until <= clock_timestamp());
  if not found then
    return false;
  end if;
  perform emit_own_event(case when (p ->> 'wipe')::boolean then 'key.wiped' else 'key.rewrapped' end, system_actor('broker'), null, p ->> 'kid', true,
    jsonb_build_object('kek', p ->> 'kek_id'));
  return true;
end $$;
