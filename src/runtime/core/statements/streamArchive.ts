import { valueFields } from '../spec/event'
import { castOf, fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import { quoteLiteral } from '../sql/identifier'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition } from './context'
import { eventsLocked } from './locking'
import { inputRows } from './rows'
import type { AppendInput } from './streamColumns'
import type { ReadRange } from './streamRead'

/** What an event of the archive is decoded from. */
const ARCHIVED_COLUMNS = 'id, ts, version, type, record::text as record'

/** Marks a stream as archived and locks its head; no row where there is none, or it is marked already. */
export function archiveHead(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('archive head', () => `
update ${context.names.table('heads')} set archived_version = version, archived_at = pg_catalog.clock_timestamp()
where tenant_id = $1::text and subject = $2::text and archived_version is null and version > 0`),
    values: [context.tenant, subject],
  }
}

export function unarchiveHead(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('unarchive head', () => `
update ${context.names.table('heads')} set archived_version = null, archived_at = null
where tenant_id = $1::text and subject = $2::text and archived_version is not null`),
    values: [context.tenant, subject],
  }
}

/** Moves the events of a stream out of the log. */
export function archiveEvents(context: StatementContext, route: Route<StreamSpec>): Statement {
  const { spec } = route
  const table = context.names.table(spec.table)
  const compile = spec.partition ? context.cache.unprepared : context.cache.compile
  const subject = `$${route.keys.length + 2}::text`
  return {
    ...compile(`archive ${table}`, () => {
      const own = keyCondition(['tenant_id', ...keyColumns(spec)])
      return `
with gone as (
  delete from ${table} where ${own} and ${eventsLocked(table, own)}
  returning id, version, ts, type, ${recordOf(spec)} as record, event_id, dismissed
)
insert into ${context.names.table('events_archive')} (tenant_id, id, subject, version, ts, type, record, event_id, dismissed)
select $1::text, id, ${subject}, version, ts, type, record, event_id, dismissed from gone`
    }),
    values: [context.tenant, ...route.keys, route.subject],
  }
}

/** Every field of an event beside id, time and type, as one object: what the columns hold, and the rest. */
export function recordOf(spec: StreamSpec): string {
  const fields = fieldsOf(spec).map((field) => {
    // An array around the rest says that the event did not carry the field of the key column.
    const present = field.type === 'key' ? `pg_catalog.jsonb_typeof("${spec.rest}") is distinct from 'array'` : `${field.sql} is not null`
    return `case when ${present} then pg_catalog.jsonb_build_object(${quoteLiteral(field.name)}, ${field.sql}) else '{}' end`
  })
  return [...fields, `case pg_catalog.jsonb_typeof("${spec.rest}") when 'array' then "${spec.rest}" -> 0 when 'object' then "${spec.rest}" else '{}' end`].join('\n    || ')
}

/** Archived events of one subject. Ids and times grow with versions, so the order is the same for all of them. */
export function readArchived(context: StatementContext, subject: string, range: ReadRange): Statement {
  const values: unknown[] = [context.tenant, subject]
  const shape: string[] = []
  const where = (name: keyof ReadRange, condition: string) => {
    if (range[name] === undefined) return ''
    shape.push(name)
    return ` and ${condition.replace('?', `$${values.push(range[name])}`)}`
  }
  const conditions = [
    where('after', 'id > ?::bigint'), where('before', 'id < ?::bigint'),
    where('fromVersion', 'version >= ?::bigint'), where('toVersion', 'version <= ?::bigint'),
    where('types', 'type = any(?::text[])'), where('from', 'ts >= ?::bigint'), where('to', 'ts <= ?::bigint'),
  ].join('')
  const limit = range.limit === undefined ? '' : `limit $${values.push(range.limit)}::bigint`
  return {
    ...context.cache.compile(`read archive ${range.order} ${shape.join()} ${limit}`, () => `
select ${ARCHIVED_COLUMNS} from ${context.names.table('events_archive')}
where ${keyCondition(['tenant_id', 'subject'])} and dismissed is null${conditions}
order by version ${range.order} ${limit}`),
    values,
  }
}

/** A page of the archive for `unarchive`: what the log needs to have the events back. */
export function takeArchived(context: StatementContext, subject: string, limit: number): Statement {
  const table = context.names.table('events_archive')
  return {
    ...context.cache.compile('take archived', () => `
delete from ${table} where (tenant_id, id) in (
  select tenant_id, id from ${table} where tenant_id = $1::text and subject = $2::text order by version limit $3::bigint for update
)
returning ${ARCHIVED_COLUMNS}, event_id, dismissed::text as dismissed`),
    values: [context.tenant, subject, limit],
  }
}

/** Events come back under their own id and version. */
export interface ReturnedEvent extends Pick<AppendInput, 'route' | 'type' | 'columns' | 'rest'> {
  stored: Record<string, unknown>
}

export function putBack(context: StatementContext, events: ReturnedEvent[]): Statement {
  const { spec } = events[0]!.route
  const table = context.names.table(spec.table)
  const columns = [
    ...keyColumns(spec).map((name, at) => ({ name, cast: 'text', of: (event: ReturnedEvent) => event.route.keys[at] })),
    ...['id', 'version', 'ts'].map(name => ({ name, cast: 'bigint', of: (event: ReturnedEvent) => event.stored[name] })),
    { name: 'type', cast: 'text', of: (event: ReturnedEvent) => event.type },
    { name: 'event_id', cast: 'text', of: (event: ReturnedEvent) => event.stored.event_id },
    { name: 'dismissed', cast: 'jsonb', of: (event: ReturnedEvent) => event.stored.dismissed },
    ...valueFields(spec).map((field, at) => ({ name: field.column, cast: castOf(field.type), of: (event: ReturnedEvent) => event.columns[at] })),
    { name: spec.rest, cast: 'jsonb', of: (event: ReturnedEvent) => event.rest },
  ]
  const rows = inputRows<ReturnedEvent>(columns, true)
  const names = columns.map(({ name }) => `"${name}"`).join(', ')
  return {
    ...context.cache.compile(`put back ${table}`, () => `
insert into ${table} (tenant_id, ${names})
select $1::text, ${columns.map(({ name }) => rows.ref(name)).join(', ')}${rows.from}`),
    values: [context.tenant, ...rows.values(events)],
  }
}

/** Deletes archived events of a subject: all of them, or those before a version. */
export function deleteArchived(context: StatementContext, subject: string, before: number | null = null): Statement {
  const table = context.names.table('events_archive')
  const meant = 'tenant_id = $1::text and subject = $2::text and ($3::bigint is null or version < $3::bigint)'
  return {
    ...context.cache.compile('delete archived', () => `
delete from ${table} where ${meant} and ${eventsLocked(table, meant)}`),
    values: [context.tenant, subject, before],
  }
}
