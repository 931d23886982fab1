-- The ledger. Rows of grants, mints, decisions and orders are never deleted: history is the product.
-- Rows change only through the functions of the later migrations, each of which writes its event in the same transaction.

-- The text of every set of rules that ever decided, by its hash.
create table rule_texts (
  hash text primary key,
  body text not null,
  constraint rule_texts_hash_is_of_body check (hash = encode(sha256(convert_to(body, 'UTF8')), 'hex'))
);

-- The rules that decide, for every replica: the highest number is the active one.
create table generations (
  number       bigint primary key check (number > 0),
  hash         text not null references rule_texts (hash),
  author       jsonb not null,
  difference   jsonb not null,
  activated_at timestamptz not null
);

create table decisions (
  id          text primary key,
  action      text not null check (action in ('create_task', 'issue', 'renew', 'delegate', 'call')),
  generation  bigint not null references generations (number),
  rules_hash  text not null,
  trust       text not null,
  subject     text not null,
  resource    text not null,
  task_id     text,
  outcome     text not null check (outcome in ('allow', 'deny', 'approval')),
  -- why it was not allowed, as a closed code; null for an allow
  code        text check ((code is null) = (outcome = 'allow')),
  policies    text[] not null,
  controls    text[] not null,
  errors      jsonb not null,
  -- everything the policy set saw: a decision is a pure function of its rules and these
  inputs      jsonb not null,
  origin      text,
  at          timestamptz not null
);
create index decisions_task on decisions (task_id) where task_id is not null;

create table tasks (
  id           text primary key,
  parent_id    text references tasks (id),
  root_id      text not null references tasks (id),
  -- ids from the root to itself: an order or an end on any of them covers this task
  path         text[] not null check (path[1] = root_id and path[cardinality(path)] = id),
  implicit     boolean not null,
  trust        text not null,
  subject      text not null,
  on_behalf_of text,
  purpose      text not null,
  mode         text not null check (mode in ('observe', 'supervised', 'autonomous')),
  environment  text not null,
  ends_at      timestamptz,
  max_grants   integer check (max_grants > 0),
  max_calls    integer check (max_calls > 0),
  grants_used  integer not null default 0,
  calls_used   integer not null default 0,
  state        text not null check (state in ('open', 'ended')),
  created_at   timestamptz not null,
  ended_at     timestamptz,
  ended_why    text,
  constraint tasks_parent_or_root check ((parent_id is null) = (root_id = id))
);
create index tasks_parent on tasks (parent_id) where parent_id is not null;

-- A standing instruction: ends what matches, and blocks new grants until it is lifted.
create table orders (
  id                text primary key,
  kind              text not null check (kind in ('agent', 'task', 'profile', 'owner', 'environment', 'provider', 'on_behalf_of', 'all')),
  value             text not null check (kind <> 'all' or value = '*'),
  reason            text not null,
  author            jsonb not null,
  blocks            boolean not null,
  created_at        timestamptz not null,
  swept_at          timestamptz,
  lift_requested_at timestamptz,
  lift_requested_by jsonb,
  lifted_at         timestamptz,
  lifted_by         jsonb,
  lift_reason       text
);
create index orders_standing on orders (kind, value) where blocks and lifted_at is null;
create index orders_unswept on orders (created_at) where swept_at is null;

create table grants (
  id             text primary key check (length(id) = 13),
  task_id        text not null references tasks (id),
  task_path      text[] not null,
  decision_id    text not null references decisions (id),
  trust          text not null,
  subject        text not null,
  on_behalf_of   text,
  profile        text not null,
  provider       text not null,
  owner          text not null,
  environment    text not null,
  effect         text not null check (effect in ('read', 'write', 'delete', 'purchase')),
  parameters     jsonb not null,
  state          text not null,
  why            text check (why in ('expiry', 'revocation', 'task_ended', 'order', 'abandoned')),
  order_id       text references orders (id),
  reason         text,
  revocability   jsonb not null,
  ttl_seconds    integer not null check (ttl_seconds > 0),
  ttl_decided_by text not null,
  opened_at      timestamptz not null,
  issued_at      timestamptz,
  expires_at     timestamptz not null,
  ending_at      timestamptz,
  closed_at      timestamptz,
  constraint grants_why_while_ending check (state not in ('ending', 'stuck', 'expired', 'revoked') or why is not null),
  constraint grants_closed_once check ((closed_at is not null) = (state in ('expired', 'revoked', 'failed', 'lapsed', 'refused'))),
  constraint grants_issued_when_active check (state <> 'active' or issued_at is not null)
);
create index grants_task on grants (task_id);
create index grants_live on grants (trust, subject) where state in ('pending_approval', 'issuing', 'active', 'ending', 'stuck');
create index grants_live_agent on grants (subject) where state in ('pending_approval', 'issuing', 'active');
create index grants_expiry on grants (expires_at) where state = 'active';
create index grants_order on grants (order_id) where order_id is not null;
create index grants_opened on grants (opened_at desc, id);

-- The legal steps of DESIGN, *Life of a grant*, and no others.
create function grants_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state not in ('issuing', 'pending_approval') then
      raise exception 'a grant cannot begin as %', new.state using errcode = 'check_violation';
    end if;
  elsif (old.state, new.state) not in (
    ('pending_approval', 'issuing'), ('pending_approval', 'lapsed'), ('pending_approval', 'refused'),
    ('issuing', 'active'), ('issuing', 'ending'), ('issuing', 'failed'),
    ('active', 'ending'),
    ('ending', 'expired'), ('ending', 'revoked'), ('ending', 'failed'), ('ending', 'stuck'),
    ('stuck', 'expired'), ('stuck', 'revoked'), ('stuck', 'failed')
  ) then
    raise exception 'grant % cannot go from % to %', old.id, old.state, new.state using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger grants_begin before insert on grants for each row execute function grants_guard();
create trigger grants_step before update of state on grants for each row when (old.state is distinct from new.state)
  execute function grants_guard();

-- One act of minting: the first, a renewal, a replacement for a repeated request, a short child.
create table mints (
  id              text primary key,
  grant_id        text not null references grants (id),
  kind            text not null check (kind in ('first', 'renewal', 'replacement', 'child')),
  provider        text not null,
  state           text not null check (state in ('intent', 'live', 'ending', 'ended')),
  -- who may write: every claim raises it, and later writes name the one they hold
  epoch           integer not null default 1,
  claimed_by      text,
  -- when somebody must look at it: intent, its deadline; live, its end; ending, the next attempt
  due_at          timestamptz not null,
  deadline        timestamptz not null,
  ends_at         timestamptz not null,
  request         jsonb not null,
  handle          jsonb,
  attempts        integer not null default 0,
  last_error      text,
  -- ended: the provider confirmed; absent: proven never to have come to be; lapsed: its own life was all there was
  outcome         text check (outcome in ('ended', 'absent', 'lapsed')),
  cleanup_due_at  timestamptz,
  cleanup_tries   integer not null default 0,
  opened_at       timestamptz not null,
  activated_at    timestamptz,
  ended_at        timestamptz,
  constraint mints_outcome_when_ended check ((outcome is not null) = (state = 'ended')),
  constraint mints_handle_while_live check (state <> 'live' or handle is not null)
);
create index mints_grant on mints (grant_id);
create index mints_due on mints (due_at) where state in ('intent', 'live');
create index mints_to_end on mints (provider, due_at) where state = 'ending';
create index mints_to_clean on mints (provider, cleanup_due_at) where cleanup_due_at is not null;

create function mints_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'intent' then
      raise exception 'a mint cannot begin as %', new.state using errcode = 'check_violation';
    end if;
  elsif (old.state, new.state) not in (('intent', 'live'), ('intent', 'ending'), ('intent', 'ended'), ('live', 'ending'), ('ending', 'ended')) then
    raise exception 'mint % cannot go from % to %', old.id, old.state, new.state using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger mints_begin before insert on mints for each row execute function mints_guard();
create trigger mints_step before update of state on mints for each row when (old.state is distinct from new.state)
  execute function mints_guard();

-- A person's answer, bound to a hash of exactly what was asked.
create table approvals (
  id           text primary key,
  decision_id  text not null references decisions (id),
  grant_id     text references grants (id),
  asked_hash   text not null,
  asked        jsonb not null,
  state        text not null check (state in ('pending', 'approved', 'denied', 'lapsed', 'consumed')),
  needs        jsonb not null,
  created_at   timestamptz not null,
  expires_at   timestamptz not null,
  consumed_at  timestamptz
);
create index approvals_pending on approvals (expires_at) where state = 'pending';
create table approval_answers (
  approval_id text not null references approvals (id),
  issuer      text not null,
  subject     text not null,
  answer      text not null check (answer in ('approve', 'deny')),
  reason      text not null,
  at          timestamptz not null,
  primary key (approval_id, issuer, subject)
);

-- A workload's own word for "this is the same request".
create table idempotency_keys (
  trust        text not null,
  subject      text not null,
  key          text not null,
  request_hash text not null,
  grant_id     text not null references grants (id),
  created_at   timestamptz not null,
  primary key (trust, subject, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

-- Keys that sign what Writ issues; the private half wrapped under the key-encryption key that `kek_id` names. Once a key has
-- signed for the last time, `wrapped` is replaced by a seal over the public half alone.
create table signing_keys (
  kid         text primary key,
  class       text not null,
  alg         text not null,
  public_jwk  jsonb not null,
  wrapped     text not null,
  kek_id      text not null,
  created_at  timestamptz not null,
  signs_from  timestamptz not null,
  signs_until timestamptz,
  gone_at     timestamptz,
  wiped_at    timestamptz,
  constraint signing_keys_gone_after_signing check ((signs_until is null) = (gone_at is null) and gone_at >= signs_until),
  constraint signing_keys_wiped_after_signing check (wiped_at >= signs_until)
);
create unique index signing_keys_newest on signing_keys (class) where signs_until is null;
