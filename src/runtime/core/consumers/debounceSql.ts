import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'

const NOW = 'pg_catalog.clock_timestamp()'
const milliseconds = (parameter: string) => `${parameter}::double precision * interval '1 millisecond'`

function statement(context: StatementContext, name: string, build: (table: string) => string, values: unknown[]): Statement {
  return { ...context.cache.unprepared(`debounce ${name}`, () => build(context.names.table('consumer_debounced'))), values: [context.tenant, ...values] }
}

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
select $1::text, $2::text, given.key, pg_catalog.max(given.id), ${NOW}, ${NOW}, false
from rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[])) as given (key, id)
group by given.key order by given.key
on conflict (tenant_id, consumer, key) do update
  set last_id = excluded.last_id, last_at = excluded.last_at, is_done = false,
    first_at = case when d.is_done then excluded.first_at else d.first_at end
  where d.last_id < excluded.last_id`, [consumer, ...valuesOf(events)])
}

/** How long events wait, in their order: null where a newer one takes their place. */
export function readWaits(context: StatementContext, consumer: string, events: KeyedEvent[], ms: number, maxMs: number | undefined): Statement {
  return statement(context, 'waits', table => `
select case
  when d.last_id > given.id then null
  else coalesce(greatest(0, extract(epoch from least(d.last_at + ${milliseconds('$5')}, d.first_at + ${milliseconds('$6')}) - ${NOW}) * 1000), 0)
end::double precision as "waitMs"
from rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[])) with ordinality as given (key, id, at)
left join ${table} d on d.tenant_id = $1::text and d.consumer = $2::text and d.key = given.key
order by given.at`, [consumer, ...valuesOf(events), ms, maxMs ?? null])
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
  select key from ${table} where tenant_id = $1::text and consumer = $2::text and last_at < ${NOW} - ${milliseconds('$3')} - interval '1 day'
  limit 10000 for update skip locked
)
delete from ${table} d using idle where d.tenant_id = $1::text and d.consumer = $2::text and d.key = idle.key`, [consumer, ms])
}
