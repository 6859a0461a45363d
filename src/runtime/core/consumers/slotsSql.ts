import { CLOCK, clockIn, epochMs } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import type { Limit } from './flowSettings'

/** A slot of a limit, as long as no other holder has it. */
export interface Slot {
  kind: Limit['kind']
  key: string
  slot: number
  holder: string
}

const planned = plannedEachTime('slots')
const statement = (context: StatementContext, name: string, build: (table: string) => string, values: unknown[]): Statement =>
  planned(context, name, table => build(table('consumer_slots')), values)

interface Wanted {
  consumer: string
  limit: Limit
  holder: string
  /** How many slots of each key. */
  wanted: Map<string, number>
}

/**
 * Takes slots that are free, no more than are wanted and without waiting for other processes. A slot that has no row is
 * free; a row is made where none can be taken. `delayMs`: until the next one is free, null where that may be at once.
 * What is free is decided by the time at the start of the statement, and until when it is taken by that at its end.
 */
export function takeSlots(context: StatementContext, { consumer, limit, holder, wanted }: Wanted): Statement {
  const keys = [...wanted.keys()].sort()
  return statement(context, 'take', table => `
with want as (
  select key, wanted from rows from (pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::int[])) as given (key, wanted)
), free as (
  select w.key, s.slot from want w cross join lateral (
    select slot from ${table}
    where tenant_id = $1::text and consumer = $2::text and kind = $3::text and key = w.key and slot <= $6::bigint and free_at <= pg_catalog.statement_timestamp()
    order by slot limit w.wanted for update skip locked
  ) s
), reused as (
  update ${table} s set free_at = ${clockIn('$7')}, holder = $8::text from free
  where s.tenant_id = $1::text and s.consumer = $2::text and s.kind = $3::text and s.key = free.key and s.slot = free.slot
  returning s.key, s.slot
), made as (
  insert into ${table} (tenant_id, consumer, kind, key, slot, free_at, holder)
  select $1::text, $2::text, $3::text, w.key, m.slot, ${clockIn('$7')}, $8::text from want w cross join lateral (
    select n.slot from pg_catalog.generate_series(1::bigint, $6::bigint) as n (slot)
    where not exists (
      select from ${table} s where s.tenant_id = $1::text and s.consumer = $2::text and s.kind = $3::text and s.key = w.key and s.slot = n.slot
    )
    limit w.wanted - (select pg_catalog.count(*) from free where free.key = w.key)
  ) m order by w.key, m.slot
  on conflict do nothing returning key, slot
), taken as (
  select key, slot from reused union all select key, slot from made
)
select w.key, array(select slot::int from taken where taken.key = w.key) as slots, (
  select case when pg_catalog.count(*) = $6::bigint
    then ${epochMs(`pg_catalog.min(free_at) filter (where free_at > pg_catalog.statement_timestamp()) - ${CLOCK}`)} end::double precision
  from ${table} where tenant_id = $1::text and consumer = $2::text and kind = $3::text and key = w.key and slot <= $6::bigint
) as "delayMs"
from want w`, [consumer, limit.kind, keys, keys.map(key => wanted.get(key)), limit.limit, limit.slotMs, holder])
}

const given = 'rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::bigint[]), pg_catalog.unnest($6::text[])) as given (kind, key, slot, holder)'

const valuesOf = (slots: Slot[]) => [slots.map(({ kind }) => kind), slots.map(({ key }) => key), slots.map(({ slot }) => slot), slots.map(({ holder }) => holder)]

const held = (table: string) => `
  select s.kind, s.key, s.slot from ${table} s join ${given} on s.kind = given.kind and s.key = given.key and s.slot = given.slot and s.holder = given.holder
  where s.tenant_id = $1::text and s.consumer = $2::text`
const ofHeld = 's.tenant_id = $1::text and s.consumer = $2::text and s.kind = held.kind and s.key = held.key and s.slot = held.slot'

/** Gives slots back that are still held. */
export function freeSlots(context: StatementContext, consumer: string, slots: Slot[]): Statement {
  return statement(context, 'free', table => `
with held as (${held(table)} for update of s
)
update ${table} s set free_at = ${CLOCK}, holder = '' from held where ${ofHeld}`, [consumer, ...valuesOf(slots)])
}

/** Keeps slots for longer that are still held. One that is being given back is left as it is. */
export function renewSlots(context: StatementContext, consumer: string, slots: Slot[], leaseMs: number): Statement {
  return statement(context, 'renew', table => `
with held as (${held(table)} for update of s skip locked
)
update ${table} s set free_at = ${clockIn('$7')} from held where ${ofHeld}`, [consumer, ...valuesOf(slots), leaseMs])
}

/** Removes slots that have been free for a while: keys come and go. */
export function sweepSlots(context: StatementContext, consumer: string): Statement {
  return statement(context, 'sweep', table => `
with idle as (
  select kind, key, slot from ${table} where tenant_id = $1::text and consumer = $2::text and free_at < ${CLOCK} - interval '1 minute'
  limit 10000 for update skip locked
)
delete from ${table} s using idle
where s.tenant_id = $1::text and s.consumer = $2::text and s.kind = idle.kind and s.key = idle.key and s.slot = idle.slot`, [consumer])
}
