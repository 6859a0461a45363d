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

-- down
drop table "{schema}"."{prefix}_dedupe";
