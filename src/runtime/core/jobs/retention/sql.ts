import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { NOW_MS } from '../../sql/clock'
import { recordSql } from '../../stream/lifecycle/archive'

/** One table with events: the table of a spec, or a partition of it. */
export interface EventTable {
  spec: StreamSpec
  /** Qualified and quoted. */
  name: string
  /** The key column of a subject within the table, quoted. */
  key: string
  /** The part of a subject before the key: `nvent:flow:run:`. Empty where the key is the whole subject. */
  before: string
}

/** What one step removes from a table. */
interface Step {
  action: 'drop' | 'archive'
  /** Maximum number of events of one step. */
  events: number
}

export interface AgeStep extends Step {
  maxAgeMs: number
  /** Only events after this id. */
  afterId: string
}

export interface SubjectStep extends Step {
  /** Exactly one of these two limits is given. */
  maxAgeMs?: number | undefined
  maxCount?: number | undefined
  /** A `like` pattern for the whole subject. */
  pattern: string
  /** Only keys after this one. */
  afterKey: string
  /** Bounds of the keys: `from` is inclusive, `to` is exclusive. */
  from: string
  to: string | null
  /** Maximum number of subjects of one step. */
  subjects: number
}

// These statements are not cached: there is one per table, each is sent rarely, and they would evict those of the calls.

/**
 * Removes old events from a table whose subjects all match the rule. Ids grow with time, so the primary key finds the
 * oldest events: a page without an old event is the last one. Locked rows are left for the next run.
 */
export function takeOld(context: StatementContext, table: EventTable, step: AgeStep): Statement {
  const old = `ts < ${NOW_MS} - $4::bigint`
  return {
    text: `
with page as materialized (
  select id, ts from ${table.name} where tenant_id = $1::text and id > $2::bigint order by id limit $3::bigint
),
victim as materialized (
  select ctid as place from ${table.name}
  where tenant_id = $1::text and id = any(array(select id from page where ${old})) for update skip locked
),
${take(context, table, step.action, '$5')}
select (select pg_catalog.count(*) from page where ${old})::integer as seen, (select pg_catalog.max(id) from page) as last, (select pg_catalog.count(*) from gone)::integer as taken`,
    values: [context.tenant, step.afterId, step.events, step.maxAgeMs, ...before(table, step)],
  }
}

/**
 * Removes events of some subjects of a table, subject by subject. Each key is found from the one before with the index
 * on keys and versions (a loose index scan), so the cost of a step depends on its subjects, not on the events between.
 */
export function takeBySubject(context: StatementContext, table: EventTable, step: SubjectStep): Statement {
  const { key } = table
  const next = (after: string) => `select ${key} from ${table.name}
    where tenant_id = $1::text and ${key} > ${after} and ${key} >= $3::text and ($4::text is null or ${key} < $4::text)
    order by ${key} limit 1`
  const [condition, order] = step.maxCount === undefined
    ? [`event.ts < ${NOW_MS} - $8::bigint`, 'event.ts']
    : [`event.version <= (select version from ${table.name} where tenant_id = $1::text and ${key} = page.key
      order by version desc offset $8::bigint limit 1)`, 'event.version']
  return {
    text: `
with recursive keys(key) as (
  (${next('$2::text')})
  union all
  select (${next('keys.key')}) from keys where keys.key is not null
),
page as materialized (
  select key from keys where key is not null limit $5::bigint
),
victim as materialized (
  select each.place from page cross join lateral (
    select event.ctid as place from ${table.name} event
    where event.tenant_id = $1::text and event.${key} = page.key and ${condition}
    order by ${order} limit $6::bigint for update skip locked
  ) each
  where $9::text || page.key like $7::text escape '\\'
  limit $6::bigint
),
${take(context, table, step.action, '$9')}
select (select pg_catalog.count(*) from page)::integer as seen, (select pg_catalog.max(key) from page) as last, (select pg_catalog.count(*) from gone)::integer as taken`,
    values: [
      context.tenant, step.afterKey, step.from, step.to, step.subjects, step.events, step.pattern, step.maxCount ?? step.maxAgeMs, table.before,
    ],
  }
}

/** Counts the events of a table that exceed a retention rule, for a dry run. Reads all events of the matching subjects. */
export function countExceeding(
  context: StatementContext, table: EventTable, rule: Pick<SubjectStep, 'maxAgeMs' | 'maxCount' | 'pattern' | 'from' | 'to'>,
): Statement {
  const { key } = table
  return {
    text: `
select pg_catalog.count(*)::double precision as events from (
  select ts, pg_catalog.row_number() over (partition by ${key} order by version desc) as place from ${table.name}
  where tenant_id = $1::text and ${key} >= $2::text and ($3::text is null or ${key} < $3::text) and $4::text || ${key} like $5::text escape '\\'
) event
where event.ts < ${NOW_MS} - $6::bigint or event.place > $7::bigint`,
    values: [context.tenant, rule.from, rule.to, table.before, rule.pattern, rule.maxAgeMs ?? null, rule.maxCount ?? null],
  }
}

/** Deletes the rows of `victim`, and inserts them into the archive when the action is `archive`. */
function take(context: StatementContext, table: EventTable, action: Step['action'], beforeKey: string): string {
  const gone = (returning: string) => `gone as (
  delete from ${table.name} where ctid = any(array(select place from victim)) returning ${returning}
)`
  if (action === 'drop') return gone('1')
  return `${gone(`id, ${table.key} as key, version, ts, type, ${recordSql(table.spec)} as record, event_id, dismissed`)},
kept as (
  insert into ${context.names.table('events_archive')} (tenant_id, id, subject, version, ts, type, record, event_id, dismissed, cause)
  select $1::text, id, ${beforeKey}::text || key, version, ts, type, record, event_id, dismissed, 'retention' from gone
)`
}

const before = (table: EventTable, { action }: Step): string[] => action === 'archive' ? [table.before] : []
