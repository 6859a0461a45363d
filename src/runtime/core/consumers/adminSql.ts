import type { Row } from '../db/types'
import { CLOCK, CLOCK_MS, millisecondsSql, epochMs } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import { streamSpecs } from '../tables/builtin'

const statement = plannedEachTime('consumers')

/** When the first event behind a position was appended: the start of one index scan in each table, however many there are. */
const firstBehind = (table: (name: string) => string, position: string): string => `
  select pg_catalog.min(ts) as ts from (${streamSpecs.map(spec => `
    (select ts from ${table(spec.table)} where tenant_id = $1::text and id > ${position} and dismissed is null order by id limit 1)`).join(' union all')}
  ) first`

/**
 * All consumers, or one. It is stale since the shard was written that was not written for longest: the process that holds
 * a shard writes it again and again. Where events are claimed, no process holds a shard; there it is since the last claim.
 */
export function readConsumers(context: StatementContext, name: string | null): Statement {
  const of = (table: string) => `select pg_catalog.count(*)::double precision from ${table} o where o.tenant_id = c.tenant_id and o.consumer = c.consumer`
  return statement(context, 'list', table => `
select c.consumer as name, c.shards, s.position::text as position, s.held, c.pull is not null as is_pull,
  greatest(0, ${epochMs(`${CLOCK} - case when c.pull is null then s.updated_at else coalesce(c.claimed_at, c.created_at) end`)})::double precision as stale_ms,
  greatest(0, ${CLOCK_MS} - coalesce(oldest.ts, ${CLOCK_MS}))::double precision as lag_ms,
  (${of(table('consumer_members'))} and o.expires_at >= ${CLOCK}) + p.workers::double precision as members,
  p.parked, p.leased, p.blocked, p.most_attempts, (${of(table('dead_letters'))} and o.state <> 'edited') as dead_letters,
  ${millisecondsSql('c.created_at')}::double precision as created_at
from ${table('consumers')} c cross join lateral (
  select pg_catalog.min(position) as position, pg_catalog.min(updated_at) as updated_at,
    (pg_catalog.count(*) filter (where owner is not null and leased_until >= ${CLOCK}))::int as held
  from ${table('consumer_shards')} where tenant_id = c.tenant_id and consumer = c.consumer
) s cross join lateral (${firstBehind(table, 's.position')}
) oldest cross join lateral (
  select pg_catalog.count(*) filter (where until is null)::int as parked, pg_catalog.count(*) filter (where due_at = 'infinity'::timestamptz)::int as blocked,
    coalesce(pg_catalog.max(attempts), 0)::int as most_attempts, pg_catalog.count(until)::int as leased, pg_catalog.count(distinct owner) filter (where until is not null) as workers
  from (
    select owner, due_at, attempts, case when token is not null and due_at > ${CLOCK} then due_at end as until
    from ${table('consumer_parked')} where tenant_id = c.tenant_id and consumer = c.consumer
  ) waiting
) p
where c.tenant_id = $1::text and ($2::text is null or c.consumer = $2::text) order by c.consumer`, [name])
}

export interface LockedShardRow extends Row {
  shard: number
  position: string
}

/** Keeps processes from taking and moving shards of a consumer until the transaction ends. No row: there is none. */
export function lockConsumer(context: StatementContext, name: string): Statement {
  return statement(context, 'lock', table => `
select shard::int as shard, position::text as position from ${table('consumer_shards')} where tenant_id = $1::text and consumer = $2::text order by shard for update`, [name])
}

// Each of them for one consumer.
const REMOVED = ['dead_letters', 'consumer_slots', 'consumer_debounced', 'consumer_parked', 'consumer_members', 'consumer_shards', 'consumers']

export function removeConsumer(context: StatementContext, name: string): Statement[] {
  return REMOVED.map(from => statement(context, `remove ${from}`, table => `
delete from ${table(from)} where tenant_id = $1::text and consumer = $2::text`, [name]))
}

/** Moves all shards to a position. Letters behind it are of events that come again; those before it are of events that don't. */
export function resetConsumer(context: StatementContext, name: string, position: string): Statement[] {
  return [
    statement(context, 'reset letters', table => `
delete from ${table('dead_letters')} where tenant_id = $1::text and consumer = $2::text and event_id > $3::bigint`, [name, position]),
    statement(context, 'reset parked letters', table => `
update ${table('dead_letters')} set state = 'skipped' where tenant_id = $1::text and consumer = $2::text and state = 'parked'`, [name]),
    statement(context, 'reset parked', table => `
delete from ${table('consumer_parked')} where tenant_id = $1::text and consumer = $2::text`, [name]),
    statement(context, 'reset debounced', table => `
delete from ${table('consumer_debounced')} where tenant_id = $1::text and consumer = $2::text`, [name]),
    // What a relay has not published up to there never will be.
    statement(context, 'reset relay', table => `
update ${table('consumers')} set relay = pg_catalog.jsonb_set(relay, '{from}'::text[], pg_catalog.to_jsonb($3::text))
where tenant_id = $1::text and consumer = $2::text and relay is not null`, [name, position]),
    statement(context, 'reset shards', table => `
update ${table('consumer_shards')} set position = $3::bigint, token = null, owner = null, leased_until = null, updated_at = ${CLOCK}
where tenant_id = $1::text and consumer = $2::text`, [name, position]),
  ]
}
