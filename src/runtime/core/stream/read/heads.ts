import { columnNamed } from '../../shared/identifier'
import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { millisecondsSql } from '../../sql/clock'
import { keyCondition } from '../../sql/template'
import { listNames } from '../../sql/listing'
import type { Listing } from '../../sql/listing'
import { inputRows, sameAsInput } from '../../sql/rows'
import type { AppendInput } from '../append/input'
import { streamKeys } from '../append/appendShape'
import { eventColumns } from './sql'

const HEAD = `version, last_ts, ${millisecondsSql('archived_at')} as archived_at`

/** The events with the ids of the inputs, which belong to one partition; `ord` is the number of the input. */
export function readByEventIds(context: StatementContext, inputs: AppendInput[]): Statement {
  const { spec } = inputs[0]!.route
  const table = context.names.table(spec.table)
  const columns = [...streamKeys(spec), { ...columnNamed('event_id'), cast: 'text', of: (input: AppendInput) => input.eventId }]
  const rows = inputRows<AppendInput>(columns, inputs.length > 1)
  const compile = spec.partition ? context.cache.unprepared : context.cache.compile
  const same = sameAsInput(columns, rows, 't.')
  return {
    ...compile(`known ${table} ${rows.from !== ''}`, () => rows.from
      ? `select i.ord, ${eventColumns(spec, 't.')}${rows.from}\njoin ${table} t on ${same}`
      : `select 1 as ord, ${eventColumns(spec, 't.')} from ${table} t where ${same}`),
    values: [context.tenant, ...rows.values(inputs)],
  }
}

/**
 * The head of a stream and the id of its last event in the log, including hidden ones. One statement, so that both come
 * from the same snapshot.
 */
export function readCurrent(context: StatementContext, route: Route<StreamSpec>): Statement {
  const table = context.names.table(route.spec.table)
  const compile = route.spec.partition ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`current ${table}`, () => `
select ${HEAD}, (select id from ${table} where ${keyCondition(route.spec)} order by version desc limit 1) as position
from ${context.names.table('heads')} where tenant_id = $1::text and subject = $${route.keys.length + 2}::text and version > 0`),
    values: [context.tenant, ...route.keys, route.subject],
  }
}

/** Heads of streams that have events or had some, in order of subject. */
export const listHeads = (context: StatementContext, listing: Listing): Statement =>
  listNames(context, { table: 'heads', name: 'subject', columns: HEAD, condition: 'version > 0' }, listing)
