import { CLOCK, millisecondsSql } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import { isInLog } from './parkedSql'

const COLUMNS = `id::text as id, consumer, subject, event::text as event, replacement::text as replacement, attempts, error::text as error, state,
  ${millisecondsSql('dead_at')}::double precision as dead_at`

/** Which letters are meant, checked; null where nothing is asked for. */
export interface MeantLetters {
  id: string | null
  consumer: string | null
  /** Exactly this one. */
  subject: string | null
  /** For `like`. */
  pattern: string | null
  types: string[] | null
  since: number | null
  until: number | null
  error: string | null
  states: string[] | null
  olderThanMs: number | null
}

/** Letters in the order of their ids. */
export interface LetterPage extends MeantLetters {
  after: string
  limit: number
}

// No letter is 300 years old, and times do not go back without end.
const ago = (parameter: string) => `pg_catalog.statement_timestamp() - least(${parameter}::double precision, 1e13) * interval '1 millisecond'`

// $1 to $13.
const MEANT = `tenant_id = $1::text and id > $2::bigint and ($4::bigint is null or id = $4::bigint)
  and ($5::text is null or consumer = $5::text) and ($6::text is null or subject = $6::text) and ($7::text is null or subject like $7::text escape '\\')
  and ($8::text[] is null or event ->> 'type'::text = any($8::text[]))
  and ($9::double precision is null or ${millisecondsSql('dead_at')}::double precision >= $9::double precision)
  and ($10::double precision is null or ${millisecondsSql('dead_at')}::double precision < $10::double precision)
  and ($11::text is null or pg_catalog.strpos(pg_catalog.lower(pg_catalog.concat_ws(' '::text, error ->> 'name'::text, error ->> 'code'::text, error ->> 'message'::text)), pg_catalog.lower($11::text)) > 0)
  and ($12::text[] is null or state = any($12::text[]))
  and ($13::double precision is null or dead_at <= ${ago('$13')})`

const planned = plannedEachTime('dead letters')

function statement(context: StatementContext, name: string, page: LetterPage, build: (table: (name: string) => string) => string, values: unknown[] = []): Statement {
  const { after, limit, id, consumer, subject, pattern, types, since, until, error, states, olderThanMs } = page
  return planned(context, name, build, [after, limit, id, consumer, subject, pattern, types, since, until, error, states, olderThanMs, ...values])
}

export function readDeadLetters(context: StatementContext, page: LetterPage): Statement {
  return statement(context, 'list', page, table => `
select ${COLUMNS} from ${table('dead_letters')} where ${MEANT} order by id limit $3::bigint`)
}

/** What a step has done. */
export type ReleasedRow = { count: number, last: string | null }

/**
 * Makes the next attempt of parked subjects due, as if it was the first one: at the event that failed, or at what
 * replaces it (JSON null: nothing does). Nothing replaces an event that is not in the log any more. A letter stays when it
 * shows what was replaced. The process that holds the shard can't be at an attempt, as none was due.
 */
export function releaseLetters(context: StatementContext, page: LetterPage, replacement: string | null): Statement {
  return statement(context, 'release', page, table => `
with meant as (
  select id, consumer, subject, case when ${isInLog(table, 'l.event_id')} then coalesce($14::jsonb, replacement) else 'null'::jsonb end as replacement
  from ${table('dead_letters')} l
  where ${MEANT} and state = 'parked' order by id limit $3::bigint for update
), edited as (
  update ${table('dead_letters')} d set state = 'edited', replacement = meant.replacement
  from meant where d.tenant_id = $1::text and d.id = meant.id and meant.replacement <> 'null'::jsonb
), gone as (
  delete from ${table('dead_letters')} d using meant
  where d.tenant_id = $1::text and d.id = meant.id and coalesce(meant.replacement, 'null'::jsonb) = 'null'::jsonb
), due as (
  update ${table('consumer_parked')} p set attempts = 0, due_at = ${CLOCK}, requeued = true, replacement = coalesce(meant.replacement, p.replacement)
  from meant where p.tenant_id = $1::text and p.consumer = meant.consumer and p.subject = meant.subject
)
select pg_catalog.count(*)::int as count, pg_catalog.max(id)::text as last from meant`, [replacement])
}

/** A row when an event is in the log. */
export const findEvent = (context: StatementContext, id: string): Statement =>
  planned(context, 'event', table => `select 1 where ${isInLog(table, '$2::bigint')}`, [id])

/** Deletes letters that nothing waits behind. */
export function purgeLetters(context: StatementContext, page: LetterPage): Statement {
  return statement(context, 'purge', page, table => `
delete from ${table('dead_letters')} where tenant_id = $1::text and id = any(array(
  select id from ${table('dead_letters')} where ${MEANT} and state <> 'parked' order by id limit $3::bigint for update
))`)
}

/** Deletes letters of a certain age that nothing waits behind, the oldest first. */
export function expireLetters(context: StatementContext, { maxAgeMs, limit }: { maxAgeMs: number, limit: number }): Statement {
  return planned(context, 'expire', table => `
delete from ${table('dead_letters')} where tenant_id = $1::text and id = any(array(
  select id from ${table('dead_letters')}
  where tenant_id = $1::text and state <> 'parked' and dead_at < ${ago('$2')}
  order by dead_at limit $3::bigint for update skip locked
))`, [maxAgeMs, limit])
}

/** Writes down one more attempt at an event that was skipped. No row: the letter is gone, or is being handled elsewhere. */
export function countAttempt(context: StatementContext, { id, error }: { id: string, error: string }): Statement {
  return planned(context, 'attempt', table => `
update ${table('dead_letters')} set attempts = attempts + 1, error = $3::jsonb
where tenant_id = $1::text and id = $2::bigint and state = 'skipped'`, [id, error])
}

/** Settles the letter of an event that was handled after all: it goes, or shows what was handled in its place. */
export function settleLetter(context: StatementContext, { id, replacement }: { id: string, replacement: string | null }): Statement {
  return planned(context, 'settle', table => `
with edited as (
  update ${table('dead_letters')} set state = 'edited', replacement = $3::jsonb
  where tenant_id = $1::text and id = $2::bigint and state = 'skipped' and $3::jsonb is not null returning 1
), gone as (
  delete from ${table('dead_letters')} where tenant_id = $1::text and id = $2::bigint and state = 'skipped' and $3::jsonb is null returning 1
)
select 1 from edited union all select 1 from gone`, [id, replacement])
}
