import type { EncodedEvent } from '../spec/event'
import { valueFields } from '../spec/event'
import { castOf, fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition } from './context'
import { enterOrder } from './order'
import type { InputColumn } from './rows'
import { inputRows } from './rows'

export interface ReadRange {
  types?: string[] | undefined
  after?: string | undefined
  before?: string | undefined
  /** Milliseconds, as the text of a bigint. */
  from?: string | undefined
  to?: string | undefined
  limit?: number | undefined
  order: 'asc' | 'desc'
}

const NOW_MS = 'floor(extract(epoch from clock_timestamp()) * 1000)::bigint'

/** An event on its way into a table. */
export interface AppendInput extends EncodedEvent {
  route: Route<StreamSpec>
}

/**
 * Appends events in one statement. The upsert of the head row orders the writers of a subject: version, id and
 * time are taken while its lock is held, so all three grow in the order the events commit. Heads are locked in
 * order of subject, so that two batches never wait for each other.
 */
export function appendEvents(context: StatementContext, inputs: AppendInput[]): Statement {
  const { spec } = inputs[0]!.route
  const table = context.names.table(spec.table)
  const fields = valueFields(spec)
  const columns: InputColumn<AppendInput>[] = [
    ...keyColumns(spec).map((name, at) => ({ name, cast: 'text', of: (input: AppendInput) => input.route.keys[at] })),
    { name: 'type', cast: 'text', of: input => input.type },
    ...fields.map((field, at) => ({ name: field.column, cast: castOf(field.type), of: (input: AppendInput) => input.columns[at] })),
    { name: spec.rest, cast: 'jsonb', of: input => input.rest },
  ]
  const rows = inputRows([{ name: 'in subject', cast: 'text', of: input => input.route.subject }, ...columns], inputs.length > 1)
  return {
    ...context.cache.compile(`append ${table} ${rows.from !== ''}`, () => {
      const names = columns.map(column => `"${column.name}"`).join(', ')
      const unplaced = spec.partition ? `tableoid = ${context.names.literal(`${spec.table}_default`)}::regclass` : 'false'
      const id = `nextval(${context.names.literal('events_id_seq')})`
      return rows.from
        ? `
with input as materialized (
  select *${rows.from}
),
head as (
  ${upsertHead(context, 'select $1::text, "in subject", count(*), ', ' from input group by "in subject" order by "in subject"')}
  returning subject, version, last_ts
),
numbered as (
  select input.*, head.last_ts,
    head.version - count(*) over (partition by "in subject") + row_number() over (partition by "in subject" order by ord) as version
  from input join head on head.subject = input."in subject"
  order by ord
)
insert into ${table} (tenant_id, id, version, ts, ${names})
select $1::text, ${id}, version, last_ts, ${names} from numbered
returning id, ts, ${unplaced} as unplaced`
        : `
with head as (
  ${upsertHead(context, `select $1::text, ${rows.ref('in subject')}, 1, `, '')}
  returning version, last_ts
)
insert into ${table} (tenant_id, id, version, ts, ${names})
select $1::text, ${id}, head.version, head.last_ts, ${columns.map(column => rows.ref(column.name)).join(', ')} from head
returning id, ts, ${unplaced} as unplaced`
    }),
    values: [context.tenant, ...rows.values(inputs)],
  }
}

function upsertHead(context: StatementContext, select: string, from: string): string {
  return `insert into ${context.names.table('heads')} as head (tenant_id, subject, version, first_id, last_ts)
  ${select}${enterOrder(context)}, ${NOW_MS}${from}
  on conflict (tenant_id, subject) do update
    set version = head.version + excluded.version, last_ts = greatest(head.last_ts, excluded.last_ts)`
}

/** Reads one subject. Versions and ids grow together, so the index on versions serves positions given as ids. */
export function readEvents(context: StatementContext, route: Route<StreamSpec>, range: ReadRange): Statement {
  const { spec } = route
  const table = context.names.table(spec.table)
  const values: unknown[] = [context.tenant, ...route.keys]
  const ofSubject = keyCondition(['tenant_id', ...keyColumns(spec)])
  const conditions: string[] = [ofSubject]
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
  const columns = ['id', 'ts', 'type', ...fieldsOf(spec).map(field => field.column), spec.rest]
  // A plan that fits any value holds every partition, for each shape and connection; and it can't know whether a
  // type is rare in its subject.
  const compile = spec.partition || range.types ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`read ${table} ${range.order} ${shape.join(',')}`, () => `
select ${columns.map(column => `"${column}"`).join(', ')}
from ${table}
where ${conditions.join('\n  and ')}
order by version ${range.order}
${limit}`),
    values,
  }
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
