import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { keyCondition } from '../../sql/template'
import { eventsLocked } from '../../sql/locking'

/** Deletes the head row. A concurrent append waits for its lock and then starts a new stream. */
export function deleteHead(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('delete head', () => `
delete from ${context.names.table('heads')} where tenant_id = $1::text and subject = $2::text`),
    values: [context.tenant, subject],
  }
}

/** What a stream was is in its snapshots, too. */
export function deleteSnapshots(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('delete snapshots', () => `
delete from ${context.names.table('snapshots')} where tenant_id = $1::text and subject = $2::text`),
    values: [context.tenant, subject],
  }
}

export function deleteEvents(context: StatementContext, route: Route<StreamSpec>): Statement {
  const table = context.names.table(route.spec.table)
  const compile = route.spec.partition ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`delete events ${table}`, () => {
      const own = keyCondition(route.spec)
      return `
delete from ${table} where ${own} and ${eventsLocked(table, own)}`
    }),
    values: [context.tenant, ...route.keys],
  }
}
