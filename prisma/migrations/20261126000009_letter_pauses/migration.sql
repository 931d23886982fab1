-- A dead letter that is tried again and not answered waits for a pause of its own: the sink does not wait with it.

alter table dead_letters
  -- failures in a row since somebody asked that it be tried again, and when that is next; null: at once
  add column attempts integer not null default 0,
  add column due_at timestamptz;
grant update (attempts, due_at) on dead_letters to writ_broker;

-- A dead letter that was tried again: gone where the receiver took it, back to waiting for a person where it did not, and put off where nothing
-- was learned of it. p: {sink, leaf, error: text | null, delay_seconds: absent unless it is put off}.
create or replace function settle_dead_letter(p jsonb) returns void language plpgsql as $$
begin
  if p ->> 'error' is null then
    delete from dead_letters where sink = p ->> 'sink' and leaf = (p ->> 'leaf')::bigint and replay_at is not null;
  elsif p ->> 'delay_seconds' is not null then
    update dead_letters set attempts = attempts + 1, error = p ->> 'error',
        due_at = clock_timestamp() + make_interval(secs => (p ->> 'delay_seconds')::double precision)
     where sink = p ->> 'sink' and leaf = (p ->> 'leaf')::bigint and replay_at is not null;
  else
    update dead_letters set replay_at = null, attempts = 0, due_at = null, error = p ->> 'error'
     where sink = p ->> 'sink' and (leaf = (p ->> 'leaf')::bigint or (task_id is not null and leaf > (p ->> 'leaf')::bigint
       and task_id = (select task_id from dead_letters d where d.sink = p ->> 'sink' and d.leaf = (p ->> 'leaf')::bigint)));
  end if;
end $$;

insert into works_with (migration, since) values ('20261126000009_letter_pauses', '20261126000005_approvals_at_once');
