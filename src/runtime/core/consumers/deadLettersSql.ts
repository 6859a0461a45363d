import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'

const COLUMNS = `id::text as id, consumer, subject, event::text as event, attempts, error::text as error, state,
  pg_catalog.floor(extract(epoch from dead_at) * 1000)::double precision as dead_at`

function statement(context: StatementContext, name: string, build: (table: (name: string) => string) => string, values: unknown[]): Statement {
  return { ...context.cache.unprepared(`dead letters ${name}`, () => build(context.names.table)), values: [context.tenant, ...values] }
}

export function readDeadLetter(context: StatementContext, id: string): Statement {
  return statement(context, 'get', table => `
select ${COLUMNS} from ${table('dead_letters')} where tenant_id = $1::text and id = $2::bigint`, [id])
}

export interface DeadLetterFilter {
  consumer: string | null
  subject: string | null
  state: string | null
  after: string
  limit: number
}

export function readDeadLetters(context: StatementContext, { consumer, subject, state, after, limit }: DeadLetterFilter): Statement {
  return statement(context, 'list', table => `
select ${COLUMNS} from ${table('dead_letters')}
where tenant_id = $1::text and id > $2::bigint
  and ($3::text is null or consumer = $3::text) and ($4::text is null or subject = $4::text) and ($5::text is null or state = $5::text)
order by id limit $6::bigint`, [after, consumer, subject, state, limit])
}

/** Takes out the letters of a parked subject: its events are tried again from the first of them on. */
export function deadLettersOf(context: StatementContext, consumer: string, subject: string): Statement {
  return statement(context, 'requeue', table => `
delete from ${table('dead_letters')} where tenant_id = $1::text and consumer = $2::text and subject = $3::text and state = 'parked'`, [consumer, subject])
}

/** Makes the next attempt due, as if it was the first one. */
export function requeueSubject(context: StatementContext, consumer: string, subject: string): Statement {
  return statement(context, 'due', table => `
update ${table('consumer_parked')} set attempts = 0, due_at = pg_catalog.clock_timestamp()
where tenant_id = $1::text and consumer = $2::text and subject = $3::text`, [consumer, subject])
}

/** Deletes letters for good. A parked one stays: the later events of its subject wait behind it. */
export function purgeLetters(context: StatementContext, { consumer, id }: { consumer: string | null, id: string | null }): Statement {
  return statement(context, 'purge', table => `
delete from ${table('dead_letters')} where tenant_id = $1::text and state = 'skipped'
  and ($2::text is null or consumer = $2::text) and ($3::bigint is null or id = $3::bigint)`, [consumer, id])
}
