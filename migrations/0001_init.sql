-- The first schema: three tiers, one sequence for all events, one row of bookkeeping for every subject.
-- {schema} and {prefix} are filled in by the migration runner; every name is quoted.
-- tenant_id leads every primary key. Identity texts compare byte by byte (collate "C"): cheap, and not
-- touched by an upgrade of the system's collations.

create sequence "{schema}"."{prefix}_events_id_seq" as bigint cache 1;

-- One row a subject: its gapless version, the newest time it has seen, and a lower bound of its first id,
-- so that reads of one subject may skip older partitions.
create table "{schema}"."{prefix}_heads" (
  tenant_id text collate "C" not null default '',
  subject text collate "C" not null,
  version bigint not null,
  first_id bigint not null,
  last_ts bigint not null,
  primary key (tenant_id, subject)
) with (fillfactor = 70);

create table "{schema}"."{prefix}_flow_events" (
  tenant_id text collate "C" not null default '',
  id bigint not null default nextval('"{schema}"."{prefix}_events_id_seq"'),
  run_id text collate "C" not null,
  flow_name text collate "C",
  ts bigint not null,
  type text collate "C" not null,
  step_name text,
  step_id text,
  attempt bigint,
  data jsonb,
  version bigint not null,
  rest jsonb,
  created_at timestamptz default now(),
  primary key (tenant_id, id)
);
create index "idx_{prefix}_flow_events_run" on "{schema}"."{prefix}_flow_events" (run_id, ts desc);
create index "idx_{prefix}_flow_events_flow_type" on "{schema}"."{prefix}_flow_events" (flow_name, type, ts desc);
create index "idx_{prefix}_flow_events_version" on "{schema}"."{prefix}_flow_events" (tenant_id, run_id, version);

create table "{schema}"."{prefix}_trigger_events" (
  tenant_id text collate "C" not null default '',
  id bigint not null default nextval('"{schema}"."{prefix}_events_id_seq"'),
  trigger_name text collate "C" not null,
  ts bigint not null,
  type text collate "C" not null,
  data jsonb,
  version bigint not null,
  rest jsonb,
  created_at timestamptz default now(),
  primary key (tenant_id, id)
);
create index "idx_{prefix}_trigger_events_trigger" on "{schema}"."{prefix}_trigger_events" (trigger_name, ts desc);
create index "idx_{prefix}_trigger_events_version" on "{schema}"."{prefix}_trigger_events" (tenant_id, trigger_name, version);

-- Streams without a table of their own. Each subject prefix gets its partition {prefix}_stream_{type} on first
-- use. The keys live on the partitions, so that they need not hold the partition column.
create table "{schema}"."{prefix}_events" (
  tenant_id text collate "C" not null default '',
  id bigint not null default nextval('"{schema}"."{prefix}_events_id_seq"'),
  subject_prefix text collate "C" not null,
  subject text collate "C" not null,
  ts bigint not null,
  type text collate "C" not null,
  run_id text collate "C",
  flow_name text,
  step_name text,
  step_id text,
  attempt bigint,
  data jsonb,
  version bigint not null,
  rest jsonb,
  created_at timestamptz default now()
) partition by list (subject_prefix);
create index "idx_{prefix}_events_subject" on "{schema}"."{prefix}_events" (subject, ts desc);
create index "idx_{prefix}_events_type" on "{schema}"."{prefix}_events" (subject, type, ts desc);
create index "idx_{prefix}_events_run" on "{schema}"."{prefix}_events" (run_id) where run_id is not null;
create index "idx_{prefix}_events_version" on "{schema}"."{prefix}_events" (tenant_id, subject, version);
create table "{schema}"."{prefix}_events_default" partition of "{schema}"."{prefix}_events" (
  primary key (tenant_id, id)
) default;

-- Index tables: score and seq (order of insertion) order the entries, rest holds what no column takes, null
-- columns mean "not in a column". A rest that is null is an entry without metadata.
create sequence "{schema}"."{prefix}_entries_seq" as bigint cache 1;
create table "{schema}"."{prefix}_flow_runs" (
  tenant_id text collate "C" not null default '',
  flow_name text collate "C" not null,
  run_id text collate "C" not null,
  score double precision not null default 0,
  seq bigint not null default nextval('"{schema}"."{prefix}_entries_seq"'),
  status text collate "C" default 'running',
  started_at bigint,
  completed_at bigint,
  step_count bigint,
  completed_steps bigint default 0,
  last_activity_at bigint,
  emitted_events jsonb default '{}',
  awaiting_steps jsonb default '{}',
  rest jsonb,
  version bigint not null default 0,
  updated_at timestamptz default now(),
  primary key (tenant_id, flow_name, run_id)
) with (fillfactor = 85);
create index "idx_{prefix}_flow_runs_status" on "{schema}"."{prefix}_flow_runs" (status)
  where status in ('running', 'awaiting');
create index "idx_{prefix}_flow_runs_active" on "{schema}"."{prefix}_flow_runs" (flow_name, started_at desc)
  where status in ('running', 'awaiting');
create index "idx_{prefix}_flow_runs_score" on "{schema}"."{prefix}_flow_runs" (tenant_id, flow_name, score desc, seq);

create table "{schema}"."{prefix}_flows" (
  tenant_id text collate "C" not null default '',
  flow_name text collate "C" not null,
  score double precision not null default 0,
  seq bigint not null default nextval('"{schema}"."{prefix}_entries_seq"'),
  display_name text,
  flow_version bigint default 1,
  registered_at bigint,
  last_run_at bigint,
  stats_total bigint default 0,
  stats_success bigint default 0,
  stats_failure bigint default 0,
  stats_running bigint default 0,
  stats_awaiting bigint default 0,
  stats_cancel bigint default 0,
  rest jsonb,
  version bigint not null default 0,
  updated_at timestamptz default now(),
  primary key (tenant_id, flow_name)
) with (fillfactor = 70);
create index "idx_{prefix}_flows_last_run" on "{schema}"."{prefix}_flows" (last_run_at desc nulls last);
create index "idx_{prefix}_flows_score" on "{schema}"."{prefix}_flows" (tenant_id, score desc, seq);

create table "{schema}"."{prefix}_triggers" (
  tenant_id text collate "C" not null default '',
  trigger_name text collate "C" not null,
  score double precision not null default 0,
  seq bigint not null default nextval('"{schema}"."{prefix}_entries_seq"'),
  type text,
  trigger_type text generated always as (coalesce(type, rest ->> 'triggerType')) stored,
  status text default 'active',
  scope text,
  source text,
  display_name text,
  description text,
  registered_at bigint,
  last_activity_at bigint,
  stats_total_fires bigint default 0,
  stats_last_fired_at bigint,
  stats_total_flows_started bigint default 0,
  stats_active_subscribers bigint default 0,
  subscriptions jsonb,
  webhook jsonb,
  schedule jsonb,
  config jsonb,
  rest jsonb,
  version bigint not null default 0,
  updated_at timestamptz default now(),
  primary key (tenant_id, trigger_name)
) with (fillfactor = 70);
create index "idx_{prefix}_triggers_score" on "{schema}"."{prefix}_triggers" (tenant_id, score desc, seq);

create table "{schema}"."{prefix}_scheduler_jobs" (
  tenant_id text collate "C" not null default '',
  job_id text collate "C" not null,
  score double precision not null default 0,
  seq bigint not null default nextval('"{schema}"."{prefix}_entries_seq"'),
  name text,
  job_name text,
  type text,
  cron text,
  "interval" bigint,
  execute_at bigint,
  timezone text,
  enabled boolean,
  schedule text,
  scheduled_at bigint,
  last_run_at bigint,
  next_run_at bigint,
  status text default 'pending',
  metadata jsonb,
  config jsonb,
  rest jsonb,
  version bigint not null default 0,
  updated_at timestamptz default now(),
  primary key (tenant_id, job_id)
) with (fillfactor = 85);
create index "idx_{prefix}_scheduler_jobs_next_run" on "{schema}"."{prefix}_scheduler_jobs" (next_run_at)
  where status = 'pending';
create index "idx_{prefix}_scheduler_jobs_score" on "{schema}"."{prefix}_scheduler_jobs" (tenant_id, score desc, seq);

create table "{schema}"."{prefix}_index" (
  tenant_id text collate "C" not null default '',
  key text collate "C" not null,
  id text collate "C" not null,
  score double precision not null default 0,
  seq bigint not null default nextval('"{schema}"."{prefix}_entries_seq"'),
  metadata jsonb,
  version bigint not null default 0,
  updated_at timestamptz default now(),
  primary key (tenant_id, key, id)
) with (fillfactor = 85);
create index "idx_{prefix}_index_score" on "{schema}"."{prefix}_index" (tenant_id, key, score desc, seq);
create index "idx_{prefix}_index_metadata" on "{schema}"."{prefix}_index" using gin (metadata jsonb_path_ops);

create table "{schema}"."{prefix}_kv" (
  tenant_id text collate "C" not null default '',
  key text collate "C" not null,
  value jsonb not null,
  expires_at timestamptz,
  updated_at timestamptz default now(),
  primary key (tenant_id, key)
) with (fillfactor = 85);
create index "idx_{prefix}_kv_expires" on "{schema}"."{prefix}_kv" (expires_at) where expires_at is not null;

-- RFC 7396 merge patch. The store calls this one, so that two prefixes in one schema never share code.
create function "{schema}"."{prefix}_merge_patch"(target jsonb, patch jsonb) returns jsonb
language plpgsql immutable parallel safe as $nvent$
declare
  member record;
  merged jsonb := case when jsonb_typeof(target) = 'object' then target else '{}' end;
begin
  if patch is null then
    return target;
  end if;
  if jsonb_typeof(patch) <> 'object' then
    return patch;
  end if;
  for member in select key, value from jsonb_each(patch) loop
    if jsonb_typeof(member.value) = 'null' then
      merged := merged - member.key;
    elsif jsonb_typeof(member.value) = 'object' then
      merged := merged || jsonb_build_object(member.key, "{schema}"."{prefix}_merge_patch"(merged -> member.key, member.value));
    else
      merged := merged || jsonb_build_object(member.key, member.value);
    end if;
  end loop;
  return merged;
end
$nvent$;

-- The documented name for SQL of your own. A function of that name which is there already is left alone.
do $nvent$
begin
  if to_regprocedure('"{schema}".jsonb_deep_merge(jsonb, jsonb)') is null then
    create function "{schema}".jsonb_deep_merge(target jsonb, source jsonb) returns jsonb
      language sql immutable parallel safe
      as 'select "{schema}"."{prefix}_merge_patch"(target, source)';
    comment on function "{schema}".jsonb_deep_merge(jsonb, jsonb) is 'nvent-store-postgres';
  end if;
end
$nvent$;

-- down
-- Another prefix of the schema takes over the shared function; the last one takes it away.
do $nvent$
declare
  heir text := (
    select p.proname from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = '{schema}' and p.proname like '%\_merge\_patch' and p.proname <> '{prefix}_merge_patch'
    order by p.proname limit 1
  );
begin
  if obj_description(to_regprocedure('"{schema}".jsonb_deep_merge(jsonb, jsonb)'), 'pg_proc') is distinct from 'nvent-store-postgres' then
    return;
  end if;
  if heir is null then
    drop function "{schema}".jsonb_deep_merge(jsonb, jsonb);
  else
    execute format(
      'create or replace function %I.jsonb_deep_merge(target jsonb, source jsonb) returns jsonb language sql immutable parallel safe as %L',
      '{schema}', format('select %I.%I(target, source)', '{schema}', heir)
    );
  end if;
end
$nvent$;
drop function "{schema}"."{prefix}_merge_patch"(jsonb, jsonb);
drop table "{schema}"."{prefix}_kv";
drop table "{schema}"."{prefix}_index";
drop table "{schema}"."{prefix}_scheduler_jobs";
drop table "{schema}"."{prefix}_triggers";
drop table "{schema}"."{prefix}_flows";
drop table "{schema}"."{prefix}_flow_runs";
drop sequence "{schema}"."{prefix}_entries_seq";
drop table "{schema}"."{prefix}_events";
drop table "{schema}"."{prefix}_trigger_events";
drop table "{schema}"."{prefix}_flow_events";
drop table "{schema}"."{prefix}_heads";
drop sequence "{schema}"."{prefix}_events_id_seq";
