import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { CLOCK_MS } from '../../sql/clock'
import { keyCondition } from '../../sql/template'
import { eventsLocked } from '../../sql/locking'
import { eventColumns } from '../read/sql'

export function dismissEvent(context: StatementContext, tableName: string, given: { id: string, reason: string, by: string }): Statement {
  const table = context.names.table(tableName)
  return {
    ...context.cache.unprepared(`dismiss ${table}`, () => `
update ${table} set dismissed = pg_catalog.jsonb_build_object(
  'reason', $3::text, 'by', $4::text, 'at', ${CLOCK_MS})
where tenant_id = $1::text and id = $2::bigint and dismissed is null`),
    values: [context.tenant, given.id, given.reason, given.by],
  }
}

export function restoreEvent(context: StatementContext, tableName: string, id: string): Statement {
  const table = context.names.table(tableName)
  return {
    ...context.cache.unprepared(`restore ${table}`, () => `
update ${table} set dismissed = null where tenant_id = $1::text and id = $2::bigint and dismissed is not null`),
    values: [context.tenant, id],
  }
}

/** The hidden events of one subject with their reasons. */
export function readDismissed(context: StatementContext, route: Route<StreamSpec>): Statement {
  const table = context.names.table(route.spec.table)
  return {
    ...context.cache.unprepared(`dismissed ${table}`, () => `
select ${eventColumns(route.spec)}, dismissed::text as dismissed from ${table}
where ${keyCondition(route.spec)} and dismissed is not null
order by version`),
    values: [context.tenant, ...route.keys],
  }
}

/** Deletes the events of a stream before a version. */
export function truncateEvents(context: StatementContext, route: Route<StreamSpec>, version: number): Statement {
  const table = context.names.table(route.spec.table)
  const compile = route.spec.partition ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`truncate ${table}`, () => {
      const first = `${keyCondition(route.spec)} and version < $${route.keys.length + 2}::bigint`
      return `
delete from ${table} where ${first} and ${eventsLocked(table, first)}`
    }),
    values: [context.tenant, ...route.keys, version],
  }
}
