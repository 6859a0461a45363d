import { fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition } from './context'
import { inputRows, selectColumns } from './rows'
import type { AppendInput } from './streamColumns'
import { appendShape } from './streamColumns'
import { claimHead, claimHeads } from './streamHead'

export interface ReadRange {
  types?: string[] | undefined
  after?: string | undefined
  before?: string | undefined
  /** Inclusive. */
  fromVersion?: number | undefined
  toVersion?: number | undefined
  /** Milliseconds, as the text of a bigint. */
  from?: string | undefined
  to?: string | undefined
  limit?: number | undefined
  order: 'asc' | 'desc'
}

/**
 * Appends events in one statement. All of them go to one partition, expect their stream in one mode, and all or none
 * have ids. The claim of the head row orders the writers of a subject: version, id and time are taken while its lock
 * is held, so all three grow in the order the events commit. Heads are locked in order of subject, so that two
 * batches never wait for each other. An event whose id is known, and one whose stream is not as expected, has no row.
 */
export function appendEvents(context: StatementContext, inputs: AppendInput[]): Statement {
  const [{ route: { spec }, expectation: { mode }, eventId }] = inputs as [AppendInput]
  const table = context.names.table(spec.table)
  const { key: shape, columns, sent } = appendShape(spec, inputs)
  const rows = inputRows(sent, inputs.length > 1)
  // With an id the table is looked into: a plan for any value would hold every partition.
  const compile = eventId !== undefined && spec.partition ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`append ${table} ${shape}`, () => {
      const names = columns.map(column => `"${column.name}"`).join(', ')
      const unplaced = spec.partition ? `tableoid = ${context.names.literal(`${spec.table}_default`)}::regclass` : 'false'
      const id = `nextval(${context.names.literal('events_id_seq')})`
      // Which stream a row belongs to is only asked where some may have none.
      const key = mode === 'any' ? '' : `"${keyColumns(spec).at(-1)}" as key, `
      const returning = `returning id::text, ts, version, ${key}${unplaced} as unplaced`
      const condition = eventId === undefined ? '' : isNew(table, spec, rows.ref)
      return rows.from
        ? `
with input as materialized (
  select *${rows.from}${condition && ` where ${condition}`}
),
${claimHeads(context, mode)},
numbered as (
  select input.*, head.last_ts,
    head.version - count(*) over (partition by "in subject") + row_number() over (partition by "in subject" order by ord) as version
  from input join head on head.subject = input."in subject"
  order by ord
)
insert into ${table} (tenant_id, id, version, ts, ${names})
select $1::text, ${id}, version, last_ts, ${columns.map(column => column.shared ? rows.ref(column.name) : `"${column.name}"`).join(', ')} from numbered
${returning}`
        : `
with head as (
  ${claimHead(context, mode, { subject: rows.ref('in subject'), expected: rows.ref('in expected'), condition })}
)
insert into ${table} (tenant_id, id, version, ts, ${names})
select $1::text, ${id}, head.version, head.last_ts, ${columns.map(column => rows.ref(column.name)).join(', ')} from head
${returning}`
    }),
    values: [context.tenant, ...rows.values(inputs)],
  }
}

/** No event of that id on that subject, as far as this statement sees; the unique index knows the rest. */
function isNew(table: string, spec: StreamSpec, ref: (name: string) => string): string {
  const same = [...keyColumns(spec), 'event_id'].map(name => `known."${name}" = ${ref(name)}`).join(' and ')
  return `not exists (select 1 from ${table} known where known.tenant_id = $1::text and ${same})`
}

/** Reads one subject. Versions and ids grow together, so the index on versions serves positions given as ids. */
export function readEvents(context: StatementContext, route: Route<StreamSpec>, range: ReadRange): Statement {
  const { spec } = route
  const table = context.names.table(spec.table)
  const values: unknown[] = [context.tenant, ...route.keys]
  const ofSubject = keyCondition(['tenant_id', ...keyColumns(spec)])
  const conditions: string[] = [ofSubject, 'dismissed is null']
  const shape: string[] = []
  const where = (name: keyof ReadRange, condition: (parameter: string) => string, value = range[name]) => {
    if (value === undefined) return
    values.push(value)
    conditions.push(condition(`$${values.length}`))
    shape.push(name)
  }
  // A position is an id; one of another subject (or of none) stands for the last event before it.
  const versionAt = (id: string, own: string) => `coalesce(
    (select ${own} from ${table} where ${ofSubject} and id = ${id}::bigint),
    (select version from ${table} where ${ofSubject} and id < ${id}::bigint order by version desc limit 1), 0)`
  where('after', id => `version > ${versionAt(id, 'version')}`, range.after === '0' ? undefined : range.after)
  where('before', id => `version <= ${versionAt(id, 'version - 1')}`)
  where('fromVersion', version => `version >= ${version}::bigint`)
  where('toVersion', version => `version <= ${version}::bigint`)
  where('types', types => `type = any(${types}::text[])`)
  // Times grow with versions, so a time is a version, too: no page reads what lies before or behind it.
  where('from', from => `version >= (select version from ${table} where ${ofSubject} and ts >= ${from}::bigint order by ts, version limit 1)`)
  where('to', to => `version <= (select version from ${table} where ${ofSubject} and ts <= ${to}::bigint order by ts desc, version desc limit 1)`)
  let limit = ''
  if (range.limit !== undefined) {
    values.push(range.limit)
    shape.push('limit')
    limit = `limit $${values.length}::bigint`
  }
  // A plan that fits any value holds every partition, for each shape and connection; and it can't know whether a
  // type is rare in its subject.
  const compile = spec.partition || range.types ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`read ${table} ${range.order} ${shape.join(',')}`, () => `
select ${eventColumns(spec)}
from ${table}
where ${conditions.join('\n  and ')}
order by version ${range.order}
${limit}`),
    values,
  }
}

/** What `decodeEvent` reads. */
export function eventColumns(spec: StreamSpec, table = ''): string {
  return selectColumns(spec, ['id', 'ts', 'version', 'type', ...fieldsOf(spec).map(field => field.column), spec.rest], table)
}

/** Takes the head row away; whoever appends meanwhile waits for its lock and starts a new stream. */
export function deleteHead(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('delete head', () => `
delete from ${context.names.table('heads')} where tenant_id = $1::text and subject = $2::text`),
    values: [context.tenant, subject],
  }
}

export function deleteEvents(context: StatementContext, route: Route<StreamSpec>): Statement {
  const table = context.names.table(route.spec.table)
  const compile = route.spec.partition ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`delete events ${table}`, () => `
delete from ${table} where ${keyCondition(['tenant_id', ...keyColumns(route.spec)])}`),
    values: [context.tenant, ...route.keys],
  }
}
