import type { EncodedEvent } from '../spec/event'
import { valueFields } from '../spec/event'
import { castOf, fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition, parameters } from './context'

export interface ReadRange {
  types?: string[] | undefined
  after?: string | undefined
  before?: string | undefined
  from?: number | undefined
  to?: number | undefined
  limit?: number | undefined
  order: 'asc' | 'desc'
}

const NOW_MS = 'floor(extract(epoch from clock_timestamp()) * 1000)::bigint'

/**
 * Appends one event in one statement. The upsert of the head row orders the writers of a subject: version, id
 * and time are taken while its lock is held, so all three grow in the order the events commit.
 */
export function appendEvent(context: StatementContext, route: Route<StreamSpec>, table: string, event: EncodedEvent): Statement {
  const { spec, keys } = route
  const fields = valueFields(spec)
  const columns = [...keyColumns(spec), 'type', ...fields.map(field => field.column), spec.rest]
  const casts = [...keyColumns(spec).map(() => 'text'), 'text', ...fields.map(field => castOf(field.type)), 'jsonb']
  const sequence = context.names.table('events_id_seq')
  return {
    ...context.cache.compile(`append ${table}`, () => `
with head as (
  insert into ${context.names.table('heads')} as head (tenant_id, subject, version, first_id, last_ts)
  values ($1::text, $2::text, 1, (select last_value from ${sequence}), ${NOW_MS})
  on conflict (tenant_id, subject) do update
    set version = head.version + 1, last_ts = greatest(head.last_ts, excluded.last_ts)
  returning version, last_ts
)
insert into ${table} (tenant_id, id, version, ts, ${columns.map(column => `"${column}"`).join(', ')})
select $1::text, nextval(${context.names.literal('events_id_seq')}), head.version, head.last_ts, ${parameters(casts, 3)}
from head
returning id, ts`),
    values: [context.tenant, route.subject, ...keys, event.type, ...event.columns, event.rest],
  }
}

/** Reads one subject. Versions and ids grow together, so the index on versions serves positions given as ids. */
export function readEvents(context: StatementContext, route: Route<StreamSpec>, table: string, range: ReadRange): Statement {
  const { spec } = route
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
  where('from', from => `ts >= ${from}::bigint`)
  where('to', to => `ts <= ${to}::bigint`)
  let limit = ''
  if (range.limit !== undefined) {
    values.push(range.limit)
    shape.push('limit')
    limit = `limit $${values.length}::bigint`
  }
  const columns = ['id', 'ts', 'type', ...fieldsOf(spec).map(field => field.column), spec.rest]
  return {
    ...context.cache.compile(`read ${table} ${range.order} ${shape.join(',')}`, () => `
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

export function deleteEvents(context: StatementContext, route: Route<StreamSpec>, table: string): Statement {
  return {
    ...context.cache.compile(`delete events ${table}`, () => `
delete from ${table} where ${keyCondition(['tenant_id', ...keyColumns(route.spec)])}`),
    values: [context.tenant, ...route.keys],
  }
}
