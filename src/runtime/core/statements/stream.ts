import { fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition, statementFor } from './context'
import type { InputColumn } from './rows'
import { selectColumns } from './rows'
import type { AppendInput } from './streamColumns'
import { appendShape } from './streamColumns'
import type { HeadMode } from './streamHead'
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
  const shape = appendShape(spec, inputs)
  // With an id the table is looked into: a plan for any value would hold every partition.
  const planned = eventId !== undefined && spec.partition ? 'each time' : 'once'
  return statementFor(context, `append ${spec.table} ${shape.key}`, inputs, () => {
    const table = context.names.table(spec.table)
    const insert = (select: (column: InputColumn<AppendInput>) => string, head: string, from: string) => `
insert into ${table} (tenant_id, id, version, ts, ${shape.columns.map(column => `"${column.name}"`).join(', ')})
select $1::text, nextval(${context.names.literal('events_id_seq')}), ${head}version, ${head}last_ts, ${shape.columns.map(select).join(', ')} from ${from}
returning ${returned(context, spec, mode)}`
    return {
      columns: shape.sent,
      sql: (rows) => {
        const condition = eventId === undefined ? '' : isNew(table, spec, rows.ref)
        if (!rows.from) {
          return `
with head as (
  ${claimHead(context, mode, { subject: rows.ref('in subject'), expected: rows.ref('in expected'), condition })}
)${insert(column => rows.ref(column.name), 'head.', 'head')}`
        }
        const own = shape.sent.filter(column => !column.shared).map(({ name }) => `${rows.ref(name)} as "${name}"`)
        return `
with input as materialized (
  select ${own.join(', ')}, ord${rows.from}${condition && ` where ${condition}`}
),
${claimHeads(context, mode)},
numbered as (
  select input.*, head.last_ts,
    head.version - count(*) over (partition by "in subject") + row_number() over (partition by "in subject" order by ord) as version
  from input join head on head.subject = input."in subject"
  order by ord
)${insert(column => column.shared ? rows.ref(column.name) : `"${column.name}"`, '', 'numbered')}`
      },
    }
  }, planned)
}

/** Which stream a row belongs to is only asked where some may have none. */
function returned({ names }: StatementContext, spec: StreamSpec, mode: HeadMode): string {
  const key = mode === 'any' ? '' : `"${keyColumns(spec).at(-1)}" as key, `
  const unplaced = spec.partition ? `tableoid = ${names.literal(`${spec.table}_default`)}::regclass` : 'false'
  return `id::text, ts, version, ${key}${unplaced} as unplaced`
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
    ${lastVersionBefore(table, ofSubject, `${id}::bigint`)})`
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

/**
 * The last version below an id, found by halving: ids and versions of a subject grow together, and only versions
 * have an index. No version up to `low` has the id or a later one, every version above `high` has; both may be
 * missing themselves.
 */
function lastVersionBefore(table: string, ofSubject: string, id: string): string {
  return `(with recursive halves (low, high) as (
      select 0::bigint, coalesce((select version from ${table} where ${ofSubject} order by version desc limit 1), 0)
      union all
      select case when middle.id < ${id} or middle.id is null then (low + high + 1) / 2 else low end,
        case when middle.id >= ${id} then middle.version - 1 else high end
      from halves left join lateral (
        select id, version from ${table}
        where ${ofSubject} and version > low and version <= (low + high + 1) / 2 order by version desc limit 1
      ) as middle on true
      where low < high
    ) select max(low) from halves)`
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
