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
