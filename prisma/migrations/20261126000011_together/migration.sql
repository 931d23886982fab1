-- A transition that several ask for at one moment, in one statement and one commit: what it costs beyond its own work is paid once.

-- transition: 'open_grant' or 'activate_mint'; arguments: the jsonb of each, as text. Returns the answer of each, in this order; null for one that did
-- nothing here and is to be asked by itself, where it fails for what it is, or waits as long as it has to. So none fails or waits for another's
-- sake: each is undone alone. No lock is waited for longer than 20 ms, and after the first that was not had by then nothing more is tried: two of
-- these cannot wait for each other for long.
create function transitions_together(transition text, arguments text[]) returns setof jsonb language plpgsql set lock_timeout = '20ms' as $$
declare
  argument text;
  answer jsonb;
  held_up boolean := false;
begin
  foreach argument in array arguments loop
    answer := null;
    if not held_up then
      begin
        case transition
          when 'open_grant' then answer := open_grant(argument::jsonb);
          when 'activate_mint' then answer := activate_mint(argument::jsonb);
        end case;
      exception
        when lock_not_available then held_up := true;
        when others then null;
      end;
    end if;
    return next answer;
  end loop;
end $$;

insert into works_with (migration, since) values ('20261126000011_together', '20261126000005_approvals_at_once');
