-- Why an event is in the archive: its stream was archived, which can be taken back, or it exceeded the retention rules,
-- which stays. What is there already was archived with its stream if that is archived now, and it came last: the events
-- of a stream come in one transaction, and have its time.
alter table "{schema}"."{prefix}_events_archive" add column cause text collate "C" not null default 'archive';
with moved as (
  select kept.tenant_id, kept.subject, max(kept.archived_at) as archived_at
  from "{schema}"."{prefix}_events_archive" kept
  join "{schema}"."{prefix}_heads" head on head.tenant_id = kept.tenant_id and head.subject = kept.subject
  where head.archived_version is not null
  group by kept.tenant_id, kept.subject
)
update "{schema}"."{prefix}_events_archive" kept set cause = 'retention'
where not exists (
  select from moved where moved.tenant_id = kept.tenant_id and moved.subject = kept.subject and moved.archived_at = kept.archived_at
);

-- An id that is archived is known to appends, too. Where it was given a second time before that, the first event keeps it.
create index "idx_{prefix}_events_archive_event_id" on "{schema}"."{prefix}_events_archive" (tenant_id, subject, event_id)
  where event_id is not null;
update "{schema}"."{prefix}_events_archive" later set event_id = null
where event_id is not null and exists (
  select from "{schema}"."{prefix}_events_archive" earlier
  where earlier.tenant_id = later.tenant_id and earlier.subject = later.subject and earlier.event_id = later.event_id
    and earlier.version < later.version
);

-- down
drop index "{schema}"."idx_{prefix}_events_archive_event_id";
alter table "{schema}"."{prefix}_events_archive" drop column cause;
