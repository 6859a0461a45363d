-- The event log on top of the streams: idempotent appends, metadata, events that are hidden, streams that are put away.

-- Names a caller gave its event, who caused it, and why it is hidden. All of them are null for a plain event, which
-- then costs nothing: the indexes hold only rows that have something to find.
alter table "{schema}"."{prefix}_flow_events" add column event_id text collate "C", add column meta jsonb, add column dismissed jsonb;
alter table "{schema}"."{prefix}_trigger_events" add column event_id text collate "C", add column meta jsonb, add column dismissed jsonb;
alter table "{schema}"."{prefix}_events" add column event_id text collate "C", add column meta jsonb, add column dismissed jsonb;

create unique index "idx_{prefix}_flow_events_event_id" on "{schema}"."{prefix}_flow_events" (tenant_id, run_id, event_id)
  where event_id is not null;
create unique index "idx_{prefix}_trigger_events_event_id" on "{schema}"."{prefix}_trigger_events" (tenant_id, trigger_name, event_id)
  where event_id is not null;
create unique index "idx_{prefix}_events_event_id" on "{schema}"."{prefix}_events" (tenant_id, subject_prefix, subject, event_id)
  where event_id is not null;

-- A hash keeps a correlation id of any length.
create index "idx_{prefix}_flow_events_correlation" on "{schema}"."{prefix}_flow_events" using hash ((meta ->> 'correlationId'))
  where meta ->> 'correlationId' is not null;
create index "idx_{prefix}_trigger_events_correlation" on "{schema}"."{prefix}_trigger_events" using hash ((meta ->> 'correlationId'))
  where meta ->> 'correlationId' is not null;
create index "idx_{prefix}_events_correlation" on "{schema}"."{prefix}_events" using hash ((meta ->> 'correlationId'))
  where meta ->> 'correlationId' is not null;

-- An archived stream can't move: whoever appends to it, by whatever statement, is refused by the constraint.
alter table "{schema}"."{prefix}_heads"
  add column archived_version bigint,
  add column archived_at timestamptz,
  add constraint "{prefix}_heads_archived" check (version = archived_version);

-- Events that left the log, whole streams and old parts of them; record holds every field but the columns beside it.
create table "{schema}"."{prefix}_events_archive" (
  tenant_id text collate "C" not null default '',
  id bigint not null,
  subject text collate "C" not null,
  version bigint not null,
  ts bigint not null,
  type text collate "C" not null,
  record jsonb not null,
  event_id text collate "C",
  dismissed jsonb,
  archived_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index "idx_{prefix}_events_archive_subject" on "{schema}"."{prefix}_events_archive" (tenant_id, subject, version);

-- down
drop table "{schema}"."{prefix}_events_archive";
alter table "{schema}"."{prefix}_heads"
  drop constraint "{prefix}_heads_archived", drop column archived_version, drop column archived_at;
alter table "{schema}"."{prefix}_events" drop column event_id, drop column meta, drop column dismissed;
alter table "{schema}"."{prefix}_trigger_events" drop column event_id, drop column meta, drop column dismissed;
alter table "{schema}"."{prefix}_flow_events" drop column event_id, drop column meta, drop column dismissed;
