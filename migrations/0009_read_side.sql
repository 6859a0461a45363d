-- Projections. A build is one set of states that is made of the log; those of one version are all made the same way. One
-- build of a projection serves its readers, while others are built or kept for a way back.
create table "{schema}"."{prefix}_projections" (
  tenant_id text collate "C" not null default '',
  name text collate "C" not null,
  build bigint not null,
  version bigint not null,
  -- 'async' or 'inline'.
  mode text collate "C" not null,
  -- 'building', 'serving', 'retired' or 'removed'. What was removed is remembered, so that an old process does not build it again.
  state text collate "C" not null,
  -- The caller's own tables are ready for it.
  prepared boolean not null default false,
  -- Nothing of what was removed is left.
  emptied boolean not null default false,
  -- Of inline ones: [subjects, types, topics], each of them null for all. A process without their code knows by it which
  -- events it must not append.
  filter jsonb,
  -- By which members of the states they are found: { fields, sortBy }; null: by none.
  declared jsonb,
  created_at timestamptz not null default pg_catalog.now(),
  -- When its state was changed last.
  changed_at timestamptz not null default pg_catalog.now(),
  primary key (tenant_id, name, build)
);
create unique index "idx_{prefix}_projections_serving" on "{schema}"."{prefix}_projections" (tenant_id, name) where state = 'serving';

-- Moves on with each change of what runs in the transaction of an append. A sequence: it is read past the snapshot of a
-- transaction.
create sequence "{schema}"."{prefix}_inline_fence_seq" as bigint cache 1;

create table "{schema}"."{prefix}_projection_states" (
  tenant_id text collate "C" not null default '',
  name text collate "C" not null,
  build bigint not null,
  key text collate "C" not null,
  -- Null while a transaction makes the row, and where an operator has removed it.
  state jsonb,
  -- Id of the event that has changed it last.
  position bigint not null,
  -- Grows with each change: what was changed meanwhile is not overwritten.
  revision bigint not null,
  -- What it is found by, where its projection declares fields: a build and the values of the fields, and a number to sort by.
  fields jsonb,
  rank double precision,
  primary key (tenant_id, name, build, key)
) with (fillfactor = 80);
create index "idx_{prefix}_projection_states_fields" on "{schema}"."{prefix}_projection_states" using gin (fields jsonb_path_ops) where fields is not null;
create index "idx_{prefix}_projection_states_rank" on "{schema}"."{prefix}_projection_states" (tenant_id, name, build, rank, key) where rank is not null;

-- Aggregates. A count of the events of a stream that were dismissed or restored: a snapshot from before is not used.
alter table "{schema}"."{prefix}_heads" add column edits bigint not null default 0;

-- The latest snapshot of each stream, for each aggregate that is made of it. It is only valid for the stream whose first
-- id and edits it has: an earlier stream of the same subject had others.
create table "{schema}"."{prefix}_snapshots" (
  tenant_id text collate "C" not null default '',
  subject text collate "C" not null,
  name text collate "C" not null,
  version bigint not null,
  schema_version bigint not null,
  state jsonb not null,
  first_id bigint not null,
  edits bigint not null,
  taken_at timestamptz not null default pg_catalog.now(),
  primary key (tenant_id, subject, name)
) with (fillfactor = 70);

-- Keys that were claimed, for a time. No index on expires_at, which would make a claim a third dearer: the sweep reads
-- the pages of the table one after the other, as many as it can afford.
create table "{schema}"."{prefix}_dedupe" (
  tenant_id text collate "C" not null default '',
  key text collate "C" not null,
  expires_at timestamptz not null,
  -- What the work of once() returned, which JSON null may be too. Null: the key was claimed or marked.
  result jsonb,
  primary key (tenant_id, key)
);

-- Rules that count the events of a subject in a window: few rows, which each evaluation reads.
create table "{schema}"."{prefix}_rules" (
  tenant_id text collate "C" not null default '',
  id text collate "C" not null,
  condition jsonb not null,
  threshold bigint not null,
  window_ms bigint not null,
  result jsonb not null,
  -- Null: the next rule is asked when the threshold is not reached.
  otherwise jsonb,
  active boolean not null,
  -- In which order they are asked; those of one place by their ids.
  place bigint not null,
  updated_at timestamptz not null default pg_catalog.now(),
  primary key (tenant_id, id)
);

-- down
drop table "{schema}"."{prefix}_rules";
drop table "{schema}"."{prefix}_dedupe";
drop table "{schema}"."{prefix}_snapshots";
alter table "{schema}"."{prefix}_heads" drop column edits;
drop sequence "{schema}"."{prefix}_inline_fence_seq";
drop table "{schema}"."{prefix}_projection_states";
drop table "{schema}"."{prefix}_projections";
