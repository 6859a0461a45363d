import { valueFields } from '../../tables/eventCodec'
import { columnsOf, fieldsOf } from '../../tables/fields'
import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import { columnNamed, quoteLiteral } from '../../shared/identifier'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { keyCondition, statementFor } from '../../sql/template'
import { allLocked, eventsLocked } from '../../sql/locking'
import type { InputColumn, InputRows } from '../../sql/rows'
import { fieldInput, inputRows } from '../../sql/rows'
import type { AppendInput } from '../append/input'
import type { ReadInput, ReadRange } from '../read/sql'
import { livePage, pageBound, pageColumns, rangeShape, readColumns, readPlanned } from '../read/sql'

/** The columns from which an archived event is decoded. */
const ARCHIVED_COLUMNS = 'id, ts, version, type, record::text as record'

/** Marks a stream as archived and locks its head. Changes no row when there is no such stream, or it is marked already. */
export function archiveHead(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('archive head', () => `
update ${context.names.table('heads')} set archived_version = version, archived_at = pg_catalog.clock_timestamp()
where tenant_id = $1::text and subject = $2::text and archived_version is null and version > 0`),
    values: [context.tenant, subject],
  }
}

/** Removes the mark. Conflicts with `holdInPlace`: each waits for transactions with the other. */
export function unarchiveHead(context: StatementContext, subject: string): Statement {
  const heads = context.names.table('heads')
  const own = 'tenant_id = $1::text and subject = $2::text'
  return {
    ...context.cache.compile('unarchive head', () => `
update ${heads} set archived_version = null, archived_at = null
where ${own} and archived_version is not null and ${allLocked(`${heads} t`, own, '')}`),
    values: [context.tenant, subject],
  }
}

/** Until the end of the transaction, no event of the stream moves back from the archive. Does not block appends. */
export function holdInPlace(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('hold in place', () => `
select from ${context.names.table('heads')} where tenant_id = $1::text and subject = $2::text for key share`),
    values: [context.tenant, subject],
  }
}

/** Moves the events of a stream out of the log. */
export const archiveEvents = (context: StatementContext, route: Route<StreamSpec>): Statement => moveEvents(context, route, 'archive')

function moveEvents(context: StatementContext, route: Route<StreamSpec>, cause: 'archive' | 'compact', only?: string): Statement {
  const { spec } = route
  const table = context.names.table(spec.table)
  const compile = spec.partition ? context.cache.unprepared : context.cache.compile
  const subject = `$${route.keys.length + 2}::text`
  return {
    ...compile(`${cause} ${table}`, () => {
      const own = [keyCondition(spec), ...only === undefined ? [] : [only]].join(' and ')
      return `
with gone as (
  delete from ${table} where ${own} and ${eventsLocked(table, own)}
  returning id, version, ts, type, ${recordSql(spec)} as record, event_id, dismissed
)
insert into ${context.names.table('events_archive')} (tenant_id, id, subject, version, ts, type, record, event_id, dismissed, cause)
select $1::text, id, ${subject}, version, ts, type, record, event_id, dismissed, ${quoteLiteral(cause)} from gone`
    }),
    values: [context.tenant, ...route.keys, route.subject],
  }
}

/**
 * Moves the events of a stream up to a version and a position out of the log, for good: its snapshot stands for them.
 */
export function compactEvents(context: StatementContext, route: Route<StreamSpec>, version: number, position: string): Statement {
  const own = `version <= $${route.keys.length + 3}::bigint and id <= $${route.keys.length + 4}::bigint`
  const { values, ...text } = moveEvents(context, route, 'compact', own)
  return { ...text, values: [...values, version, position] }
}

/** All fields of an event except id, time and type as one JSON object, from the columns and the rest. */
export function recordSql(spec: StreamSpec): string {
  const { rest: { sql: rest } } = columnsOf(spec)
  const fields = fieldsOf(spec).map((field) => {
    // The rest is wrapped in an array when the event did not have the field of the key column.
    const present = field.type === 'key' ? `pg_catalog.jsonb_typeof(${rest}) is distinct from 'array'` : `${field.sql} is not null`
    return `case when ${present} then pg_catalog.jsonb_build_object(${quoteLiteral(field.name)}, ${field.sql}) else '{}' end`
  })
  return [...fields, `case pg_catalog.jsonb_typeof(${rest}) when 'array' then ${rest} -> 0 when 'object' then ${rest} else '{}' end`].join('\n    || ')
}

// Ids and times grow with versions, so all of these bounds select a contiguous range of versions.
const archivedBounds: Partial<Record<keyof ReadRange, (value: string) => string>> = {
  after: id => `id > ${id}`,
  before: id => `id < ${id}`,
  fromVersion: version => `version >= ${version}`,
  toVersion: version => `version <= ${version}`,
  types: types => `type = any(${types})`,
  from: time => `ts >= ${time}`,
  to: time => `ts <= ${time}`,
}

/**
 * A page of the log and one of the archive, each in order: rows of the log as `readEvents` returns them, with the record
 * of an archived event as an additional last column. One statement, so that an event that is moved concurrently is in
 * exactly one of them.
 */
export function readBoth(context: StatementContext, input: ReadInput): Statement {
  const { route: { spec }, range } = input
  const bound = pageBound([input])
  return statementFor(context, `read both ${spec.table} ${rangeShape(range)} ${bound}`, [input], () => ({
    columns: [...readColumns(spec, range), SUBJECT],
    sql: rows => `
select live.*, null as record from (${livePage(context, input, bound, rows)}) as live
union all
select ${pageColumns(spec).map(({ name }) => isArchived(name) ? name : 'null').join(', ')}, record from (${archivedPage(context, input, rows)}) as archived`,
  }), readPlanned(input))
}

const SUBJECT: InputColumn<{ route: Route<StreamSpec> }> = { ...columnNamed('in subject'), cast: 'text', of: ({ route }) => route.subject }

function archivedPage(context: StatementContext, { range }: ReadInput, rows: InputRows<ReadInput>): string {
  const conditions = Object.entries(archivedBounds)
    .filter(([name]) => range[name as keyof ReadRange] !== undefined)
    .map(([name, condition]) => condition(rows.ref(name)))
  return `
select ${ARCHIVED_COLUMNS} from ${context.names.table('events_archive')}
where ${['tenant_id = $1::text', `subject = ${rows.ref(SUBJECT.name)}`, 'dismissed is null', ...conditions].join('\n  and ')}
order by version ${range.order} ${range.limit === undefined ? '' : `limit ${rows.ref('limit')}`}`
}

const isArchived = (column: string) => ['id', 'ts', 'version', 'type'].includes(column)

/** The archived events with the ids of the inputs; `ord` is the number of the input. */
export function readArchivedIds(context: StatementContext, inputs: AppendInput[]): Statement {
  return statementFor(context, 'known archive', inputs, () => {
    const columns = [SUBJECT, { ...columnNamed('event_id'), cast: 'text', of: (input: AppendInput) => input.eventId }]
    return {
      columns,
      sql: (rows) => {
        const first = `select ${ARCHIVED_COLUMNS} from ${context.names.table('events_archive')} where ${isKnown(rows)} order by version limit 1`
        return `select ${rows.ord} as ord, found.*${rows.from ? `${rows.from}\ncross join lateral` : ' from'} (${first}) as found`
      },
    }
  })
}

/** Condition: the archived event with the id of an input. */
export function isKnown(rows: Pick<InputRows<AppendInput>, 'ref'>, table = ''): string {
  return `${table}tenant_id = $1::text and ${table}subject = ${rows.ref(SUBJECT.name)} and ${table}event_id = ${rows.ref('event_id')}`
}

/**
 * Takes a page of events out of the archive for `unarchive`, with all columns that the log needs. Events that retention
 * has archived stay in the archive.
 */
export function takeArchived(context: StatementContext, subject: string, limit: number): Statement {
  const table = context.names.table('events_archive')
  return {
    ...context.cache.compile('take archived', () => `
delete from ${table} where (tenant_id, id) in (
  select tenant_id, id from ${table} where tenant_id = $1::text and subject = $2::text and cause = 'archive' order by version limit $3::bigint for update
)
returning ${ARCHIVED_COLUMNS}, event_id, dismissed::text as dismissed`),
    values: [context.tenant, subject, limit],
  }
}

/** An event to move back into the log, with its original id, version and time in `stored`. */
export interface ReturnedEvent extends Pick<AppendInput, 'route' | 'type' | 'columns' | 'rest'> {
  stored: Record<string, unknown>
}

export function putBack(context: StatementContext, events: ReturnedEvent[]): Statement {
  const { spec } = events[0]!.route
  const table = context.names.table(spec.table)
  const columns = [
    ...columnsOf(spec).keys.map((column, at) => ({ ...column, cast: 'text', of: (event: ReturnedEvent) => event.route.keys[at] })),
    ...['id', 'version', 'ts'].map(name => ({ ...columnNamed(name), cast: 'bigint', of: (event: ReturnedEvent) => event.stored[name] })),
    { ...columnNamed('type'), cast: 'text', of: (event: ReturnedEvent) => event.type },
    { ...columnNamed('event_id'), cast: 'text', of: (event: ReturnedEvent) => event.stored.event_id },
    { ...columnNamed('dismissed'), cast: 'jsonb', of: (event: ReturnedEvent) => event.stored.dismissed },
    ...valueFields(spec).map((field, at) => fieldInput(field, (event: ReturnedEvent) => event.columns[at])),
    { ...columnsOf(spec).rest, cast: 'jsonb', of: (event: ReturnedEvent) => event.rest },
  ]
  const rows = inputRows<ReturnedEvent>(columns, true)
  const names = columns.map(({ sql }) => sql).join(', ')
  return {
    ...context.cache.compile(`put back ${table}`, () => `
insert into ${table} (tenant_id, ${names})
select $1::text, ${columns.map(({ name }) => rows.ref(name)).join(', ')}${rows.from}`),
    values: [context.tenant, ...rows.values(events)],
  }
}

/** Deletes archived events of a subject: all of them, or only those before a version. */
export function deleteArchived(context: StatementContext, subject: string, before: number | null = null): Statement {
  const table = context.names.table('events_archive')
  const meant = 'tenant_id = $1::text and subject = $2::text and ($3::bigint is null or version < $3::bigint)'
  return {
    ...context.cache.compile('delete archived', () => `
delete from ${table} where ${meant} and ${eventsLocked(table, meant)}`),
    values: [context.tenant, subject, before],
  }
}
