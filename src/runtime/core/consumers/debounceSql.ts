import { CLOCK, intervalSql, epochMs } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import { isInLog } from './parkedSql'

const planned = plannedEachTime('debounce')
const statement = (context: StatementContext, name: string, build: (table: string) => string, values: unknown[]): Statement =>
  planned(context, name, table => build(table('consumer_debounced')), values)

/** An event and what it belongs to. */
export interface KeyedEvent {
  key: string | null
  id: bigint
}

const valuesOf = (events: KeyedEvent[]) => [events.map(({ key }) => key), events.map(({ id }) => String(id))]

/** Notes the newest event of each key. It begins another burst where the one before it was handled. */
export function noteNewest(context: StatementContext, consumer: string, events: KeyedEvent[]): Statement {
  return statement(context, 'note', table => `
insert into ${table} as d (tenant_id, consumer, key, last_id, first_at, last_at, is_done)
select $1::text, $2::text, given.key, pg_catalog.max(given.id), ${CLOCK}, ${CLOCK}, false
from rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[])) as given (key, id)
group by given.key order by given.key
on conflict (tenant_id, consumer, key) do update
  set last_id = excluded.last_id, last_at = excluded.last_at, is_done = false,
    first_at = case when d.is_done then excluded.first_at else d.first_at end
  where d.last_id < excluded.last_id`, [consumer, ...valuesOf(events)])
}

const GIVEN = 'rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[]))'

/** Events that are left when the newest one of their key was dismissed or deleted begin a burst of their own. */
export function replaceGone(context: StatementContext, consumer: string, events: KeyedEvent[]): Statement {
  return statement(context, 'gone', table => `
with newest as (
  select given.key, pg_catalog.max(given.id) as id from ${GIVEN} as given (key, id) group by given.key
), gone as (
  select d.key, newest.id from ${table} d join newest on newest.key = d.key
  where d.tenant_id = $1::text and d.consumer = $2::text and not d.is_done and d.last_id <> newest.id
    and (d.last_id < newest.id or not ${isInLog(context.names.table, 'd.last_id')})
  order by d.key for no key update of d
)
update ${table} d set last_id = gone.id, first_at = ${CLOCK}, last_at = ${CLOCK}
from gone where d.tenant_id = $1::text and d.consumer = $2::text and d.key = gone.key`, [consumer, ...valuesOf(events)])
}

export interface WaitRow {
  /** Until its burst ends. */
  waitMs: number
  /** A newer one takes its place then, if it is still in the log. */
  isReplaced: boolean
  /** What is noted as the newest one may not be in the log any more. */
  isInDoubt: boolean
}

/** How long events wait, in their order. Those that are given are in the log. */
export function readWaits(context: StatementContext, consumer: string, events: KeyedEvent[], ms: number, maxMs: number | undefined): Statement {
  return statement(context, 'waits', table => `
select coalesce(last_id > id, false) as "isReplaced", wait_ms as "waitMs",
  coalesce(not is_done and (last_id < id or (last_id > id and wait_ms = 0::double precision and last_id <> all($4::bigint[]))), false) as "isInDoubt"
from (
  select given.id, given.at, d.last_id, d.is_done, case
    when d.is_done then 0
    else coalesce(greatest(0, ${epochMs(`least(d.last_at + ${intervalSql('$5')}, d.first_at + ${intervalSql('$6')}) - ${CLOCK}`)}), 0)
  end::double precision as wait_ms
  from ${GIVEN} with ordinality as given (key, id, at)
  left join ${table} d on d.tenant_id = $1::text and d.consumer = $2::text and d.key = given.key
) waiting
order by at`, [consumer, ...valuesOf(events), ms, maxMs ?? null])
}

/** An event was handled or given up: the next one of its key begins another burst. */
export function endBurst(context: StatementContext, consumer: string, { key, id }: KeyedEvent): Statement {
  return statement(context, 'end', table => `
update ${table} set is_done = true where tenant_id = $1::text and consumer = $2::text and key = $3::text and last_id <= $4::bigint`, [consumer, key, String(id)])
}

/** Removes what no event waits for any more: keys come and go. */
export function sweepDebounced(context: StatementContext, consumer: string, ms: number): Statement {
  return statement(context, 'sweep', table => `
with idle as (
  select key from ${table} where tenant_id = $1::text and consumer = $2::text and last_at < ${CLOCK} - ${intervalSql('$3')} - interval '1 day'
  limit 10000 for update skip locked
)
delete from ${table} d using idle where d.tenant_id = $1::text and d.consumer = $2::text and d.key = idle.key`, [consumer, ms])
}
