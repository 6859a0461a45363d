import { valueFields } from '../spec/event'
import { fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition } from './context'
import { selectColumns } from './rows'

/** What `decodeEvent` reads. */
export function eventColumns(spec: StreamSpec, table = ''): string {
  return selectColumns(spec, ['id', 'ts', 'version', 'type', ...fieldsOf(spec).map(field => field.column), spec.rest], table)
}

/** What `decodeCells` reads, in its order. */
export function pageColumns(spec: StreamSpec): string {
  return selectColumns(spec, ['id', 'ts', 'version', 'type', ...valueFields(spec).map(field => field.column), spec.rest])
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
