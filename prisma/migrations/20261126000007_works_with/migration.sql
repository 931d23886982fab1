-- What each migration says of the versions before it: it leaves those working that know the schema up to `since`, or further. A version that finds a
-- migration it does not know goes by this, and one without a line here leaves none working. A migration that breaks them all names itself.
create table works_with (
  migration text primary key check (migration ~ '^\d{14}_\w+$'),
  since     text not null check (since ~ '^\d{14}_\w+$'),
  constraint works_with_is_no_promise_ahead check (since collate "C" <= migration collate "C")
);
grant select on works_with to writ_broker;

insert into works_with (migration, since) values ('20261126000007_works_with', '20261126000005_approvals_at_once');
