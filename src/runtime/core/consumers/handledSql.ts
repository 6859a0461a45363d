import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'

/**
 * The position up to which no consumer has still to handle an event of a subject; the highest of all where there are no
 * consumers. What is parked is read from the log again when its time comes.
 */
export function handledUpTo(context: StatementContext, subject: string): Statement {
  const { names, tenant } = context
  return {
    ...context.cache.unprepared('handled up to', () => `
select coalesce(least(
  (select pg_catalog.min(position) from ${names.table('consumer_shards')} where tenant_id = $1::text),
  (select pg_catalog.min(from_id) - 1::bigint from ${names.table('consumer_parked')} where tenant_id = $1::text and subject = $2::text)
), 9223372036854775807::bigint)::text as position`),
    values: [tenant, subject],
  }
}
