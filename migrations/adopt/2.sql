-- Adopts the tables of @nvent-addon/adapter-store-postgres (its schema version 2), in the transaction that has
-- locked them: they are set aside under names of their own, migration 0001 makes ours, and every row is copied.
-- What stands here fits version 1 of our schema; later migrations go on from there.

do $nvent$
declare
  tables text[] := array[
    'schema_version', 'flow_events', 'trigger_events', 'flow_runs', 'flows', 'triggers', 'scheduler_jobs', 'kv'
  ];
  name text;
  index_name text;
  index_oid oid;
begin
  foreach name in array tables loop
    for index_name, index_oid in
      select i.relname, i.oid from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
      where x.indrelid = format('%I.%I', '{schema}', '{prefix}_' || name)::regclass
    loop
      execute format('alter index %I.%I rename to %I', '{schema}', index_name, 'nvent_adopted_' || index_oid);
    end loop;
    execute format('alter table %I.%I rename to %I', '{schema}', '{prefix}_' || name, '{prefix}_adopted_' || name);
  end loop;
end
$nvent$;

-- copy
-- What the copying needs to know about a value; gone again at the end.
create function "{schema}"."{prefix}_adopted_counter"(emitted jsonb, field text) returns bigint
language sql immutable as $nvent$
  select case when jsonb_typeof(emitted) = 'object' then (jsonb_path_query_first(
    emitted -> field, 'strict $ ? (@.type() == "number" && @ >= -2147483648 && @ <= 2147483647 && @.floor() == @)', '{}', true
  ) #>> '{}')::numeric::bigint end
$nvent$;

-- Our columns of objects hold nothing else: other values belong into rest.
create function "{schema}"."{prefix}_adopted_others"(fields jsonb) returns jsonb
language sql immutable as $nvent$
  select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(fields) where jsonb_typeof(value) not in ('object', 'null')
$nvent$;

-- Times that nvent writes as ISO texts: the adapter kept milliseconds only, and gave the texts back.
create function "{schema}"."{prefix}_adopted_times"(fields jsonb) returns jsonb
language sql stable as $nvent$
  select coalesce(jsonb_object_agg(key, to_char(timestamp 'epoch' + value::bigint * interval '1 millisecond', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), '{}')
  from jsonb_each_text(fields) where value::bigint between 1 and 253402300799999
$nvent$;

-- Ids of the two event tables repeat, and an id may be younger than its time: one order for all, by time. It keeps
-- the order in which the adapter read a subject.
with old as (
  select 'flow' as source, id, run_id as key, ts from "{schema}"."{prefix}_adopted_flow_events"
  union all
  select 'trigger', id, trigger_name, ts from "{schema}"."{prefix}_adopted_trigger_events"
),
numbered as materialized (
  select source, id, row_number() over (order by ts, source, id) as position,
    row_number() over (partition by source, key order by ts, id) as version
  from old
),
flow as (
  insert into "{schema}"."{prefix}_flow_events"
    (id, run_id, flow_name, ts, type, step_name, step_id, attempt, data, version, created_at)
  select n.position, e.run_id, e.flow_name, e.ts, e.type, e.step_name, e.step_id, e.attempt, e.data, n.version, e.created_at
  from numbered n join "{schema}"."{prefix}_adopted_flow_events" e on n.source = 'flow' and e.id = n.id
)
insert into "{schema}"."{prefix}_trigger_events" (id, trigger_name, ts, type, data, version, created_at)
select n.position, e.trigger_name, e.ts, e.type, e.data, n.version, e.created_at
from numbered n join "{schema}"."{prefix}_adopted_trigger_events" e on n.source = 'trigger' and e.id = n.id;

-- New ids are above every old one, too.
select setval('"{schema}"."{prefix}_events_id_seq"', max(id)) from (
  select count(*) as id from (
    select from "{schema}"."{prefix}_flow_events" union all select from "{schema}"."{prefix}_trigger_events"
  ) as events
  union all select max(id) from "{schema}"."{prefix}_adopted_flow_events"
  union all select max(id) from "{schema}"."{prefix}_adopted_trigger_events"
) as ids having max(id) > 0;

-- Longer subjects can't be named by a caller.
insert into "{schema}"."{prefix}_heads" (subject, version, first_id, last_ts)
select * from (
  select current_setting('nvent.subject_prefix') || ':flow:run:' || run_id as subject, max(version), min(id), max(ts)
  from "{schema}"."{prefix}_flow_events" group by run_id
  union all
  select current_setting('nvent.subject_prefix') || ':trigger:event:' || trigger_name, max(version), min(id), max(ts)
  from "{schema}"."{prefix}_trigger_events" group by trigger_name
) as heads where octet_length(subject) <= 1024;

-- The adapter counted every field of a run inside emitted_events: counters go back to their columns. Times of
-- events in milliseconds are larger than any counter an integer column can hold, so they are told apart.
insert into "{schema}"."{prefix}_flow_runs" (
  flow_name, run_id, score, status, started_at, completed_at, step_count, completed_steps, last_activity_at,
  emitted_events, awaiting_steps, rest, version, updated_at
)
select r.flow_name, r.run_id, r.started_at, r.status, r.started_at, r.completed_at,
  case when counted.steps is null then r.step_count else coalesce(r.step_count, 0) + counted.steps end,
  case when counted.completed is null then r.completed_steps else coalesce(r.completed_steps, 0) + counted.completed end,
  r.last_activity_at,
  case when jsonb_typeof(r.emitted_events) = 'object' then r.emitted_events
    - case when counted.steps is null then '{}' else '{stepCount}'::text[] end
    - case when counted.completed is null then '{}' else '{completedSteps}'::text[] end
  end,
  case when jsonb_typeof(r.awaiting_steps) = 'object' then r.awaiting_steps end,
  "{schema}"."{prefix}_adopted_others"(jsonb_build_object('emittedEvents', r.emitted_events, 'awaitingSteps', r.awaiting_steps)),
  coalesce(r.version, 0), r.updated_at
from "{schema}"."{prefix}_adopted_flow_runs" r
cross join lateral (
  select "{schema}"."{prefix}_adopted_counter"(r.emitted_events, 'stepCount') as steps,
    "{schema}"."{prefix}_adopted_counter"(r.emitted_events, 'completedSteps') as completed
) as counted
order by r.started_at desc, r.run_id;

insert into "{schema}"."{prefix}_flows" (
  flow_name, score, display_name, flow_version, registered_at, last_run_at, stats_total, stats_success, stats_failure,
  stats_running, stats_awaiting, stats_cancel, rest, version, updated_at
)
select flow_name, registered_at, display_name, flow_version, registered_at, last_run_at, stats_total, stats_success, stats_failure,
  stats_running, stats_awaiting, stats_cancel,
  jsonb_build_object('name', flow_name, 'stats', '{}'::jsonb)
    || "{schema}"."{prefix}_adopted_times"(jsonb_build_object('lastRunAt', last_run_at)),
  coalesce(version, 0), updated_at
from "{schema}"."{prefix}_adopted_flows"
order by registered_at desc, flow_name;

insert into "{schema}"."{prefix}_triggers" (
  trigger_name, score, type, status, scope, source, display_name, description, registered_at, last_activity_at,
  stats_total_fires, stats_last_fired_at, stats_total_flows_started, stats_active_subscribers,
  subscriptions, webhook, schedule, config, rest, version, updated_at
)
select trigger_name, registered_at, trigger_type, status, scope, source, display_name, description, registered_at, last_activity_at,
  stats_total_fires, stats_last_fired_at, stats_total_flows_started, stats_active_subscribers,
  case when jsonb_typeof(subscriptions) = 'object' then subscriptions end,
  case when jsonb_typeof(webhook) = 'object' then webhook end,
  case when jsonb_typeof(schedule) = 'object' then schedule end,
  case when jsonb_typeof(config) = 'object' then config end,
  jsonb_build_object(
    'name', trigger_name, 'stats', "{schema}"."{prefix}_adopted_times"(jsonb_build_object('lastFiredAt', stats_last_fired_at))
  )
    || case when trigger_type is null then '{}' else jsonb_build_object('triggerType', trigger_type) end
    || "{schema}"."{prefix}_adopted_times"(jsonb_build_object('registeredAt', registered_at, 'lastActivityAt', last_activity_at))
    || "{schema}"."{prefix}_adopted_others"(jsonb_build_object(
      'subscriptions', subscriptions, 'webhook', webhook, 'schedule', schedule, 'config', config
    )),
  coalesce(version, 0), updated_at
from "{schema}"."{prefix}_adopted_triggers"
order by registered_at desc, trigger_name;

insert into "{schema}"."{prefix}_scheduler_jobs" (
  job_id, score, name, job_name, type, cron, "interval", execute_at, timezone, enabled, scheduled_at, last_run_at, next_run_at,
  status, metadata, config, rest, version, updated_at
)
select job_id, scheduled_at, name, job_name, type, cron, "interval", execute_at, timezone, enabled, scheduled_at, last_run_at, next_run_at,
  status,
  case when jsonb_typeof(metadata) = 'object' then metadata end,
  case when jsonb_typeof(config) = 'object' then config end,
  jsonb_build_object('id', job_id)
    || "{schema}"."{prefix}_adopted_others"(jsonb_build_object('metadata', metadata, 'config', config)),
  coalesce(version, 0), updated_at
from "{schema}"."{prefix}_adopted_scheduler_jobs"
order by scheduled_at desc, job_id;

insert into "{schema}"."{prefix}_kv" (key, value, expires_at, updated_at)
select key, value, expires_at, updated_at from "{schema}"."{prefix}_adopted_kv";

-- Nothing is dropped before every row has been counted, and who could use the old tables may use the new ones.
do $nvent$
declare
  tables text[] := array['flow_events', 'trigger_events', 'flow_runs', 'flows', 'triggers', 'scheduler_jobs', 'kv'];
  name text;
  old_name text;
  new_name text;
  old_rows bigint;
  new_rows bigint;
  granted text;
begin
  foreach name in array tables loop
    old_name := format('%I.%I', '{schema}', '{prefix}_adopted_' || name);
    new_name := format('%I.%I', '{schema}', '{prefix}_' || name);
    execute format('select (select count(*) from %s), (select count(*) from %s)', old_name, new_name) into old_rows, new_rows;
    if old_rows <> new_rows then
      raise exception '% has % rows, and % were copied', name, old_rows, new_rows;
    end if;
    for granted in
      select format('grant %s on %s to %s%s', g.privilege_type, new_name,
        case when g.grantee = 0 then 'public' else quote_ident(r.rolname) end, case when g.is_grantable then ' with grant option' else '' end)
      from pg_catalog.pg_class c cross join aclexplode(c.relacl) g left join pg_catalog.pg_roles r on r.oid = g.grantee
      where c.oid = old_name::regclass and g.grantee <> c.relowner
    loop
      execute granted;
    end loop;
    execute format('drop table %s', old_name);
    execute format('analyze %s', new_name);
  end loop;
end
$nvent$;
drop table "{schema}"."{prefix}_adopted_schema_version";
analyze "{schema}"."{prefix}_heads";
drop function "{schema}"."{prefix}_adopted_counter"(jsonb, text);
drop function "{schema}"."{prefix}_adopted_others"(jsonb);
drop function "{schema}"."{prefix}_adopted_times"(jsonb);
