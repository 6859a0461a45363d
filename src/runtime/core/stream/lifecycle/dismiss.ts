import type { Route } from '../../tables/route'
import type { SubjectPart } from '../../tables/select'
import { subjectSql } from '../../tables/select'
import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { CLOCK_MS } from '../../sql/clock'
import { keyCondition } from '../../sql/template'
import { eventsLocked } from '../../sql/locking'
import { eventColumns } from '../read/sql'

/** A table with events of any subjects, and how their subjects are made of its columns. */
export interface EventsTable {
  table: string
  subject: SubjectPart[]
}

export function dismissEvent(context: StatementContext, events: EventsTable, given: { id: string, reason: string, by: string }): Statement {
  return editEvent(context, events, 'dismiss', given.id, [given.reason, given.by], {
    condition: 'dismissed is null',
    dismissed: `pg_catalog.jsonb_build_object('reason', $3::text, 'by', $4::text, 'at', ${CLOCK_MS})`,
  })
}

export function restoreEvent(context: StatementContext, events: EventsTable, id: string): Statement {
  return editEvent(context, events, 'restore', id, [], { condition: 'dismissed is not null', dismissed: 'null' })
}

/** Counts the edit in the head first, in the order of all locks: snapshots of the stream from before it are not used any more. */
function editEvent(
  context: StatementContext, { table: name, subject }: EventsTable, kind: string, id: string, given: unknown[], edit: { condition: string, dismissed: string },
): Statement {
  const table = context.names.table(name)
  const values = [context.tenant, id, ...given]
  const own = subjectSql(subject, value => `$${values.push(value)}`)
  const isMeant = `tenant_id = $1::text and id = $2::bigint and ${edit.condition}`
  return {
    ...context.cache.unprepared(`${kind} ${table}`, () => `
with edited as (
  update ${context.names.table('heads')} set edits = edits + 1
  where tenant_id = $1::text and subject = (select ${own} from ${table} where ${isMeant})
  returning 1
)
update ${table} set dismissed = ${edit.dismissed} from (select pg_catalog.count(*) as heads from edited) counted
where ${isMeant} and counted.heads >= 0`),
    values,
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
