import type { Row } from '../db/types'
import { CLOCK, CLOCK_MS, clockIn } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'

/*
 * Statements that change several shards lock them in order, so that a heartbeat and a checkpoint never wait for each
 * other in a circle.
 *
 * The tables of consumers are small, and were empty when a connection prepared its first statement on them: a plan kept
 * from then reads them whole. So all of these are planned each time.
 */

/** What the server's hash function must always give, so that a subject stays in its shard. */
const HASH_PROBE = 'pg_catalog.hashtextextended(\'nvent\', 0::bigint)'

/** A shard that is held: what a checkpoint has to name, so that it fails once another process holds the shard. */
export interface HeldShard {
  shard: number
  token: string
  /**
   * Where its row is, as far as this process knows. While a transaction has an old snapshot open, no version of a row is removed,
   * and the row of a shard has a new one for each transaction: by its key, the newest is found behind all others.
   */
  place?: string | undefined
}

/** A shard that was changed, and where its row is now. */
export interface PlacedRow extends Row {
  shard: number
  place: string
}

const statement = plannedEachTime('consumer')

export interface NewConsumer {
  consumer: string
  shards: number
  position: string
  /** JSON of what workers claim of it; null: it is one of `store.consume`. */
  pull: string | null
}

export type RegisteredRow = { shards: number, same_hash: boolean, is_pull: boolean, is_relay: boolean }

/** Makes a consumer with its shards, unless it is there. Returns how many shards it has, whether its hash still holds, and its kind. */
export function registerConsumer(context: StatementContext, given: NewConsumer): Statement {
  return statement(context, 'register', table => `
with made as (
  insert into ${table('consumers')} (tenant_id, consumer, shards, hash_probe, pull)
  values ($1::text, $2::text, $3::int, ${HASH_PROBE}, $5::jsonb)
  on conflict do nothing
  returning shards, hash_probe, pull, relay
), filled as (
  insert into ${table('consumer_shards')} (tenant_id, consumer, shard, position)
  select $1::text, $2::text, shard, $4::bigint from made, pg_catalog.generate_series(0::bigint, made.shards - 1::bigint) as shard
  on conflict do nothing
)
select shards::int as shards, hash_probe = ${HASH_PROBE} as same_hash, pull is not null as is_pull, relay is not null as is_relay from made
union all
select shards::int, hash_probe = ${HASH_PROBE}, pull is not null, relay is not null from ${table('consumers')} where tenant_id = $1::text and consumer = $2::text
limit 1`, [given.consumer, given.shards, given.position, given.pull])
}

/** Says that a member is alive, forgets those that are not, counts those that are, and tells the time. `known`: the consumer was not removed. */
export function beat(context: StatementContext, given: { consumer: string, member: string, leaseMs: number }): Statement {
  return statement(context, 'beat', table => `
with beat as (
  insert into ${table('consumer_members')} (tenant_id, consumer, member, expires_at)
  select $1::text, $2::text, $3::text, ${clockIn('$4')} from ${table('consumers')} where tenant_id = $1::text and consumer = $2::text
  on conflict (tenant_id, consumer, member) do update set expires_at = excluded.expires_at
  returning member
), gone as (
  delete from ${table('consumer_members')} where tenant_id = $1::text and consumer = $2::text and member <> $3::text and expires_at < ${CLOCK}
)
select pg_catalog.count(*)::int + 1 as members, exists (select from beat) as known, ${CLOCK_MS}::double precision as now from ${table('consumer_members')}
where tenant_id = $1::text and consumer = $2::text and member <> $3::text and expires_at >= ${CLOCK}`, [given.consumer, given.member, given.leaseMs])
}

/** Extends the leases that are still ours, and says that they are looked after; a shard that is missing in the result is lost. */
export function renewShards(context: StatementContext, given: { consumer: string, held: HeldShard[], leaseMs: number }): Statement {
  return statement(context, 'renew', table => `
with held as (
  select s.shard from ${table('consumer_shards')} s
  join rows from (pg_catalog.unnest($3::int[]), pg_catalog.unnest($4::bigint[])) as given (shard, token) on s.shard = given.shard and s.token = given.token
  where s.tenant_id = $1::text and s.consumer = $2::text order by s.shard for no key update of s
)
update ${table('consumer_shards')} s set leased_until = ${clockIn('$5')}, updated_at = ${CLOCK}
from held where s.tenant_id = $1::text and s.consumer = $2::text and s.shard = held.shard
returning s.shard, s.ctid::text as place`, [given.consumer, given.held.map(({ shard }) => shard), given.held.map(({ token }) => token), given.leaseMs])
}

export interface ClaimedRow extends PlacedRow {
  position: string
  token: string
}

/**
 * Takes shards that are free, or whose lease has run out, those furthest behind first. No lock is waited for. Our own that
 * are not in `held` are free as well: this process has lost sight of where they stand.
 */
export function claimShards(context: StatementContext, given: { consumer: string, member: string, limit: number, leaseMs: number, held: number[] }): Statement {
  return statement(context, 'claim', table => `
with free as (
  select shard from ${table('consumer_shards')}
  where tenant_id = $1::text and consumer = $2::text
    and (owner is null or leased_until < ${CLOCK} or (owner = $3::text and not shard = any($6::int[])))
  order by position, shard limit $4::int for update skip locked
)
update ${table('consumer_shards')} s
set owner = $3::text, token = pg_catalog.nextval(${context.names.literal('lease_tokens_seq')}), leased_until = ${clockIn('$5')}, updated_at = ${CLOCK}
from free where s.tenant_id = $1::text and s.consumer = $2::text and s.shard = free.shard
returning s.shard, s.position::text as position, s.token::text as token, s.ctid::text as place`, [given.consumer, given.member, given.limit, given.leaseMs, given.held])
}

export interface Checkpoint extends HeldShard {
  /** Where the shard must stand: when a commit was not confirmed, this tells whether it took place. */
  from: bigint
  to: bigint
}

/**
 * Moves positions on. A shard that is missing in the result is not where it was, is lost, or stands elsewhere. All that are
 * not at their places are found by their keys in the same statement, so that all are locked in order.
 */
export function moveShards(context: StatementContext, { consumer, checkpoints }: { consumer: string, checkpoints: Checkpoint[] }): Statement {
  const [first, ...others] = checkpoints as [Checkpoint, ...Checkpoint[]]
  if (others.length === 0) return moveShard(context, consumer, first)
  return statement(context, 'move', table => `
with at as materialized (
  select given.shard, given.token, given.since, given.upto, coalesce(
    (select s.ctid from ${table('consumer_shards')} s where s.ctid = given.place and s.tenant_id = $1::text and s.consumer = $2::text and s.shard = given.shard),
    (select s.ctid from ${table('consumer_shards')} s where s.tenant_id = $1::text and s.consumer = $2::text and s.shard = given.shard)
  ) as place
  from rows from (
    pg_catalog.unnest($3::int[]), pg_catalog.unnest($4::bigint[]), pg_catalog.unnest($5::bigint[]), pg_catalog.unnest($6::bigint[]), pg_catalog.unnest($7::tid[])
  ) as given (shard, token, since, upto, place)
), moved as (
  select s.shard, s.ctid as place, at.upto from at join ${table('consumer_shards')} s on s.ctid = at.place
  where s.token = at.token and s.position = at.since order by s.shard for no key update of s
)
update ${table('consumer_shards')} s set position = moved.upto, updated_at = ${CLOCK}
from moved where s.ctid = moved.place
returning s.shard, s.ctid::text as place`, [
    consumer, checkpoints.map(({ shard }) => shard), checkpoints.map(({ token }) => token), checkpoints.map(({ from }) => String(from)),
    checkpoints.map(({ to }) => String(to)), checkpoints.map(({ place }) => place ?? null),
  ])
}

/** Most transactions are of one shard: this takes the server a quarter of the time. */
function moveShard(context: StatementContext, consumer: string, { shard, token, from, to, place }: Checkpoint): Statement {
  const where = 'tenant_id = $1::text and consumer = $2::text and shard = $3::int and token = $4::bigint and position = $5::bigint'
  const set = `set position = $6::bigint, updated_at = ${CLOCK}`
  const given = [consumer, shard, token, String(from), String(to)]
  return place === undefined
    ? statement(context, 'move one', table => `
update ${table('consumer_shards')} ${set} where ${where} returning shard, ctid::text as place`, given)
    : statement(context, 'move one at its place', table => `
update ${table('consumer_shards')} ${set} where ctid = $7::tid and ${where} returning shard, ctid::text as place`, [...given, place])
}

/**
 * Keeps others from claiming a shard until the transaction ends, even after its lease. Its holder can renew and move it
 * meanwhile. No row: it is lost, or not at its place.
 */
export function holdShard(context: StatementContext, consumer: string, { shard, token, place }: HeldShard): Statement {
  const where = 'tenant_id = $1::text and consumer = $2::text and shard = $3::int and token = $4::bigint'
  return place === undefined
    ? statement(context, 'hold', table => `
select shard from ${table('consumer_shards')} where ${where} for key share`, [consumer, shard, token])
    : statement(context, 'hold at its place', table => `
select shard from ${table('consumer_shards')} where ctid = $5::tid and ${where} for key share`, [consumer, shard, token, place])
}

/** Lets others take shards at once. */
export function releaseShards(context: StatementContext, { consumer, held }: { consumer: string, held: HeldShard[] }): Statement {
  return statement(context, 'release', table => `
with held as (
  select s.shard from ${table('consumer_shards')} s
  join rows from (pg_catalog.unnest($3::int[]), pg_catalog.unnest($4::bigint[])) as given (shard, token) on s.shard = given.shard and s.token = given.token
  where s.tenant_id = $1::text and s.consumer = $2::text order by s.shard for no key update of s
)
update ${table('consumer_shards')} s set owner = null, leased_until = null, token = null, updated_at = ${CLOCK}
from held where s.tenant_id = $1::text and s.consumer = $2::text and s.shard = held.shard`,
  [consumer, held.map(({ shard }) => shard), held.map(({ token }) => token)])
}

/** Takes a member off the list, and lets others take what it may still hold: shards that it has lost sight of. */
export function removeMember(context: StatementContext, given: { consumer: string, member: string }): Statement {
  return statement(context, 'leave', table => `
with held as (
  select shard from ${table('consumer_shards')} where tenant_id = $1::text and consumer = $2::text and owner = $3::text order by shard for no key update
), released as (
  update ${table('consumer_shards')} s set owner = null, leased_until = null, token = null, updated_at = ${CLOCK}
  from held where s.tenant_id = $1::text and s.consumer = $2::text and s.shard = held.shard
)
delete from ${table('consumer_members')} where tenant_id = $1::text and consumer = $2::text and member = $3::text`, [given.consumer, given.member])
}

/** How far a consumer is: the lowest position of its shards, and whether slow subjects are behind a position that others have passed. */
export function readReached(context: StatementContext, consumer: string, position: bigint): Statement {
  return statement(context, 'reached', table => `
select pg_catalog.min(position)::text as position, exists (
  select from ${table('consumer_parked')} where tenant_id = $1::text and consumer = $2::text and left_behind and from_id <= $3::bigint
) as "isLeftBehind"
from ${table('consumer_shards')} where tenant_id = $1::text and consumer = $2::text`, [consumer, String(position)])
}

/** Where a consumer stands: the lowest position of its shards. */
export function readConsumer(context: StatementContext, consumer: string): Statement {
  return statement(context, 'status', table => `
select pg_catalog.min(position)::text as position, pg_catalog.count(*)::int as shards,
  (select pg_catalog.count(*)::int from ${table('consumer_parked')} where tenant_id = $1::text and consumer = $2::text) as parked
from ${table('consumer_shards')} where tenant_id = $1::text and consumer = $2::text`, [consumer])
}
