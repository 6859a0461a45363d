import { fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition } from './context'
import { selectColumns } from './rows'

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
