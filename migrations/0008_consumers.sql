-- Consumers of the log. A consumer is divided into shards, the subjects by their hash; one process at a time holds a
-- shard, under a token that no other holder has. Rows are few and updated often: room for versions stays on their page.
create sequence "{schema}"."{prefix}_lease_tokens_seq";

create table "{schema}"."{prefix}_consumers" (
  tenant_id text collate "C" not null default '',
  consumer text collate "C" not null,
  shards bigint not null,
  -- What the server's hash function gave for a fixed text: subjects would be in other shards where it gives another result.
  hash_probe bigint not null,
  -- What its events are and how often they are tried, where workers claim them. Null: those of store.consume handle them.
  pull jsonb,
  -- When a worker asked for events last, to about a second.
  claimed_at timestamptz,
  -- What it publishes, and after which position, where it is a relay of the outbox.
  relay jsonb,
  created_at timestamptz not null default pg_catalog.now(),
  primary key (tenant_id, consumer)
);

create table "{schema}"."{prefix}_consumer_shards" (
  tenant_id text collate "C" not null default '',
  consumer text collate "C" not null,
  shard bigint not null,
  position bigint not null,
  token bigint,
  owner text collate "C",
  leased_until timestamptz,
  -- When its position, its owner or its lease was written last: staleness.
  updated_at timestamptz not null default pg_catalog.now(),
  primary key (tenant_id, consumer, shard)
) with (fillfactor = 30);
-- So that the check of sequences finds the column whose values it has to be above.
alter sequence "{schema}"."{prefix}_lease_tokens_seq" owned by "{schema}"."{prefix}_consumer_shards".token;

create table "{schema}"."{prefix}_consumer_members" (
  tenant_id text collate "C" not null default '',
  consumer text collate "C" not null,
  member text collate "C" not null,
  expires_at timestamptz not null,
  primary key (tenant_id, consumer, member)
) with (fillfactor = 30);

-- Subjects whose events wait for a retry, in order: the first of them failed. Or those of which a worker has claimed events.
create table "{schema}"."{prefix}_consumer_parked" (
  tenant_id text collate "C" not null default '',
  consumer text collate "C" not null,
  subject text collate "C" not null,
  shard bigint not null,
  from_id bigint not null,
  attempts bigint not null,
  -- Infinite while nothing is tried any more until it is requeued.
  due_at timestamptz not null,
  error jsonb not null,
  -- What the handler gets in place of the event at from_id; JSON null: that event is dropped.
  replacement jsonb,
  -- By an operator, who is not the holder of its shard; until the next attempt.
  requeued boolean not null default false,
  -- Others have overtaken it while its handler ran, and nothing of it has failed.
  left_behind boolean not null default false,
  -- Of a lease, which runs out at due_at: who has it, and the last event of it.
  token bigint,
  owner text collate "C",
  leased_to bigint,
  -- The last event that the shard has left to this row. Null: the process that holds the shard knows.
  passed_to bigint,
  parked_at timestamptz not null default pg_catalog.now(),
  primary key (tenant_id, consumer, subject)
) with (fillfactor = 70);
-- The shard first: without statistics of the table this index must not be taken to look a subject up.
create index "idx_{prefix}_consumer_parked_shard" on "{schema}"."{prefix}_consumer_parked" (shard, tenant_id, consumer);
create index "idx_{prefix}_consumer_parked_requeued" on "{schema}"."{prefix}_consumer_parked" (tenant_id, consumer, due_at) where requeued;
create index "idx_{prefix}_consumer_parked_pull" on "{schema}"."{prefix}_consumer_parked" (tenant_id, consumer, due_at) where passed_to is not null;
create index "idx_{prefix}_consumer_parked_left" on "{schema}"."{prefix}_consumer_parked" (tenant_id, consumer, from_id) where left_behind;

-- What rateLimit and concurrencyKey of consumers give out: a slot is free from free_at on, and where it has no row.
create table "{schema}"."{prefix}_consumer_slots" (
  tenant_id text collate "C" not null default '',
  consumer text collate "C" not null,
  kind text collate "C" not null,
  key text collate "C" not null,
  slot bigint not null,
  free_at timestamptz not null,
  -- A name that no other holder has; empty where the slot was given back.
  holder text collate "C" not null,
  primary key (tenant_id, consumer, kind, key, slot)
) with (fillfactor = 50);

-- The newest event of each key for debounce: earlier ones are done without a call.
create table "{schema}"."{prefix}_consumer_debounced" (
  tenant_id text collate "C" not null default '',
  consumer text collate "C" not null,
  key text collate "C" not null,
  last_id bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  -- The newest event was handled or given up: the next one begins another burst.
  is_done boolean not null,
  primary key (tenant_id, consumer, key)
) with (fillfactor = 50);

create table "{schema}"."{prefix}_dead_letters" (
  tenant_id text collate "C" not null default '',
  id bigint generated always as identity,
  consumer text collate "C" not null,
  subject text collate "C" not null,
  event_id bigint not null,
  event jsonb not null,
  -- The event that was requeued in its place.
  replacement jsonb,
  attempts bigint not null,
  error jsonb not null,
  -- With 'parked' the later events of its subject wait behind it; with 'skipped' they were handled; with 'edited' another
  -- event was requeued in its place.
  state text collate "C" not null,
  dead_at timestamptz not null default pg_catalog.now(),
  primary key (tenant_id, id)
);
create unique index "idx_{prefix}_dead_letters_event" on "{schema}"."{prefix}_dead_letters" (tenant_id, consumer, subject, event_id);
create index "idx_{prefix}_dead_letters_expiry" on "{schema}"."{prefix}_dead_letters" (tenant_id, dead_at) where state <> 'parked';

-- down
drop table "{schema}"."{prefix}_dead_letters";
drop table "{schema}"."{prefix}_consumer_debounced";
drop table "{schema}"."{prefix}_consumer_slots";
drop table "{schema}"."{prefix}_consumer_parked";
drop table "{schema}"."{prefix}_consumer_members";
drop table "{schema}"."{prefix}_consumer_shards";
drop table "{schema}"."{prefix}_consumers";
