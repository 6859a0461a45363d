-- Where retention puts events that it takes out of the streams, whichever table they were in. record holds every
-- field of the event but the columns beside it.
create table "{schema}"."{prefix}_events_archive" (
  tenant_id text collate "C" not null default '',
  id bigint not null,
  subject text collate "C" not null,
  version bigint not null,
  ts bigint not null,
  type text collate "C" not null,
  record jsonb not null,
  archived_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index "idx_{prefix}_events_archive_subject" on "{schema}"."{prefix}_events_archive" (tenant_id, subject, version);

-- down
drop table "{schema}"."{prefix}_events_archive";
