import { shardSql } from '../log/sql'
import { CLOCK, clockIn, millisecondsSql } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import type { CheckedLease, CheckedSubject } from './leaseChecks'

/*
 * Who waits for whom: a claim locks shards and then rows of their subjects; everything else locks one row, or the shard
 * of a subject and then its row. Planned each time, like all statements on the tables of consumers.
 */

const ONE_ROW = 'tenant_id = $1::text and consumer = $2::text and subject = $3::text'
const ROW = `subject, from_id::text as from_id, leased_to::text as leased_to, passed_to::text as passed_to, attempts::int as attempts, replacement::text as replacement,
  due_at = 'infinity'::timestamptz as blocked`
/** A lease that runs out at this moment is over. */
const HELD = `token = $4::bigint and due_at > ${CLOCK}`

const statement = plannedEachTime('leases')

/** What workers claim of a consumer from now on. No row: it is none whose events are claimed. */
export function redefine(context: StatementContext, consumer: string, pull: string): Statement {
  return statement(context, 'define', table => `
update ${table('consumers')} set pull = $3::jsonb where tenant_id = $1::text and consumer = $2::text and pull is not null`, [consumer, pull])
}

/** For a claim it is written down that a worker has asked, no more than once a second. */
export function readDefinition(context: StatementContext, consumer: string, isClaim: boolean): Statement {
  return statement(context, 'definition', table => `
with unclaimed as (
  select tenant_id, consumer from ${table('consumers')}
  where tenant_id = $1::text and consumer = $2::text and pull is not null and $3::boolean and (claimed_at is null or claimed_at < ${CLOCK} - interval '1 second')
  for update skip locked
), claimed as (
  update ${table('consumers')} c set claimed_at = ${CLOCK} from unclaimed u where c.tenant_id = u.tenant_id and c.consumer = u.consumer
)
select shards::int as shards, pull::text as pull from ${table('consumers')} where tenant_id = $1::text and consumer = $2::text`, [consumer, isClaim])
}

/** Locks shards that are behind a position, the last ones first. Those that another claim has locked are not waited for. */
export function lockShards(context: StatementContext, given: { consumer: string, upTo: bigint, limit: number }): Statement {
  return statement(context, 'shards', table => `
select shard::int as shard, position::text as position from ${table('consumer_shards')}
where tenant_id = $1::text and consumer = $2::text and position < $3::bigint and owner is null
order by position, shard limit $4::int for update skip locked`, [given.consumer, String(given.upTo), given.limit])
}

export function countBehind(context: StatementContext, { consumer, upTo }: { consumer: string, upTo: bigint }): Statement {
  return statement(context, 'behind', table => `
select pg_catalog.count(*)::int as behind from ${table('consumer_shards')}
where tenant_id = $1::text and consumer = $2::text and position < $3::bigint`, [consumer, String(upTo)])
}

/** Moves shards that are locked. */
export function moveLocked(context: StatementContext, given: { consumer: string, shards: number[], to: bigint }): Statement {
  return statement(context, 'move', table => `
update ${table('consumer_shards')} set position = $4::bigint, updated_at = ${CLOCK}
where tenant_id = $1::text and consumer = $2::text and shard = any($3::int[])`, [given.consumer, given.shards, String(given.to)])
}

/** Which of some subjects are leased, or wait. */
export function readWaiting(context: StatementContext, consumer: string, subjects: string[]): Statement {
  return statement(context, 'waiting', table => `
select subject from ${table('consumer_parked')} where tenant_id = $1::text and consumer = $2::text and subject = any($3::text[])`, [consumer, subjects])
}

/** Events of a subject that a shard leaves behind: they are leased up to one of them, or wait. */
export interface LeftSubject {
  subject: string
  shard: number
  fromId: bigint
  leasedTo: bigint | undefined
  passedTo: bigint
}

export interface Terms {
  consumer: string
  by: string
  leaseMs: number
}

// Taken when the locks are held: of two leases of a subject the later one has the higher token.
const nextToken = ({ names }: StatementContext) => `pg_catalog.nextval(${names.literal('lease_tokens_seq')})`

/**
 * Leases subjects that have no row. One that has a row by now only gets to know of its later events: whatever is said by
 * then of it, by the worker that holds it, waits for this transaction or comes before it.
 */
export function leaveSubjects(context: StatementContext, { consumer, by, leaseMs }: Terms, left: LeftSubject[]): Statement {
  return statement(context, 'leave', table => `
with own as materialized (select ${nextToken(context)} as token)
insert into ${table('consumer_parked')} as p (tenant_id, consumer, subject, shard, from_id, leased_to, passed_to, token, owner, attempts, due_at, error)
select $1::text, $2::text, subject, shard, from_id, leased_to, passed_to,
  case when leased_to is not null then own.token end, case when leased_to is not null then $3::text end,
  case when leased_to is null then 0 else 1 end, case when leased_to is null then ${CLOCK} else ${clockIn('$4')} end, '{}'::jsonb
from own cross join rows from (pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::int[]), pg_catalog.unnest($7::bigint[]), pg_catalog.unnest($8::bigint[]), pg_catalog.unnest($9::bigint[]))
  as given (subject, shard, from_id, leased_to, passed_to)
order by subject
on conflict (tenant_id, consumer, subject) do update set passed_to = greatest(p.passed_to, excluded.passed_to)
returning subject, token::text as token, token = (select own.token from own) as is_own, case when token is not null then ${millisecondsSql('due_at')} end::double precision as leased_until`, [
    consumer, by, leaseMs,
    left.map(({ subject }) => subject), left.map(({ shard }) => shard), left.map(({ fromId }) => String(fromId)),
    left.map(({ leasedTo }) => leasedTo === undefined ? null : String(leasedTo)), left.map(({ passedTo }) => String(passedTo)),
  ])
}

/** Locks subjects whose next attempt is due, or whose lease has run out, but for some. */
export function lockDue(context: StatementContext, consumer: string, limit: number, except: string[]): Statement {
  return statement(context, 'due', table => `
select ${ROW}, token is not null as ran_out from ${table('consumer_parked')}
where tenant_id = $1::text and consumer = $2::text and passed_to is not null and due_at <= ${CLOCK} and subject <> all($4::text[])
order by due_at limit $3::int for update skip locked`, [consumer, limit, except])
}

/** Leases a subject that is locked. */
export function leaseLocked(context: StatementContext, { consumer, by, leaseMs }: Terms, given: { subject: string, fromId: bigint, leasedTo: bigint, attempts: number }): Statement {
  return statement(context, 'lease', table => `
update ${table('consumer_parked')} set token = ${nextToken(context)}, requeued = false, owner = $4::text, due_at = ${clockIn('$5')}, leased_to = $7::bigint, attempts = $8::int,
  replacement = case when from_id = $6::bigint then replacement end, from_id = $6::bigint
where ${ONE_ROW} returning token::text as token, ${millisecondsSql('due_at')}::double precision as leased_until`,
  [consumer, given.subject, by, leaseMs, String(given.fromId), String(given.leasedTo), given.attempts])
}

/** Locks the row of a lease until the transaction ends. No row: the lease is lost. */
export function lockLease(context: StatementContext, { consumer, subject, token }: CheckedLease): Statement {
  return statement(context, 'hold', table => `
select ${ROW} from ${table('consumer_parked')} where ${ONE_ROW} and ${HELD} for update`, [consumer, subject, token])
}

export function lockSubject(context: StatementContext, { consumer, subject }: CheckedSubject): Statement {
  return statement(context, 'subject', table => `
select ${ROW} from ${table('consumer_parked')} where ${ONE_ROW} for update`, [consumer, subject])
}

/** Extends a lease. No row: it is lost. */
export function renewLease(context: StatementContext, { consumer, subject, token }: CheckedLease, leaseMs: number): Statement {
  return statement(context, 'renew', table => `
update ${table('consumer_parked')} set due_at = ${clockIn('$5')} where ${ONE_ROW} and ${HELD}
returning ${millisecondsSql('due_at')}::double precision as leased_until`, [consumer, subject, token, leaseMs])
}

/**
 * Events of a lease are done: all, or those up to one of them. The row goes when nothing waits behind them. No row in the
 * result: the lease is lost; `beyond`: that event is not of this lease, and nothing has changed.
 */
export function ackLease(context: StatementContext, { consumer, subject, token }: CheckedLease, upTo: bigint | undefined): Statement {
  return statement(context, 'ack', table => `
with held as (
  select coalesce($5::bigint, leased_to) as done, leased_to, passed_to from ${table('consumer_parked')} where ${ONE_ROW} and ${HELD} for update
), gone as (
  delete from ${table('consumer_parked')} p using held where ${ONE_ROW} and held.done = held.leased_to and held.passed_to <= held.done
), freed as (
  update ${table('consumer_parked')} p set from_id = held.done + 1, token = null, owner = null, leased_to = null, attempts = 0, due_at = ${CLOCK}, error = '{}'::jsonb, replacement = null
  from held where ${ONE_ROW} and held.done = held.leased_to and held.passed_to > held.done
), moved as (
  update ${table('consumer_parked')} p set from_id = held.done + 1, attempts = 1, replacement = null
  from held where ${ONE_ROW} and held.done < held.leased_to and held.done >= p.from_id
)
select done > leased_to as beyond from held`, [consumer, subject, token, upTo === undefined ? null : String(upTo)])
}

/** Where a subject stands from now on, without a lease. */
export interface Stand extends CheckedSubject {
  fromId: bigint
  attempts: number
  /** Until the next attempt; undefined for none. */
  delayMs: number | undefined
  /** JSON. */
  error: string
}

export function standSubject(context: StatementContext, { consumer, subject, fromId, attempts, delayMs, error }: Stand): Statement {
  return statement(context, 'stand', table => `
update ${table('consumer_parked')} set token = null, owner = null, leased_to = null, attempts = $5::int,
  due_at = coalesce(${clockIn('$6')}, 'infinity'::timestamptz), error = $7::jsonb,
  replacement = case when from_id = $4::bigint then replacement end, from_id = $4::bigint
where ${ONE_ROW}`, [consumer, subject, String(fromId), attempts, delayMs ?? null, error])
}

/** Forgets a subject behind which nothing waits. */
export function dropSubject(context: StatementContext, { consumer, subject }: CheckedSubject): Statement {
  return statement(context, 'drop', table => `
delete from ${table('consumer_parked')} where ${ONE_ROW}`, [consumer, subject])
}

/** Keeps events of a subject from being claimed until the transaction ends. No row: there is no such consumer. */
export function lockShardOf(context: StatementContext, { consumer, subject }: CheckedSubject): Statement {
  return statement(context, 'shard', table => `
select s.shard::int as shard, s.position::text as position from ${table('consumers')} c
join ${table('consumer_shards')} s on s.tenant_id = c.tenant_id and s.consumer = c.consumer and s.shard = ${shardSql('$3::text', 'c.shards')}
where c.tenant_id = $1::text and c.consumer = $2::text and c.pull is not null for update of s`, [consumer, subject])
}

/** Blocks a subject of which nothing waits, behind where its shard stands. */
export function blockSubject(context: StatementContext, { consumer, subject }: CheckedSubject, given: { shard: number, position: bigint, error: string }): Statement {
  return statement(context, 'block', table => `
insert into ${table('consumer_parked')} (tenant_id, consumer, subject, shard, from_id, passed_to, attempts, due_at, error)
values ($1::text, $2::text, $3::text, $4::int, $5::bigint + 1, $5::bigint, 0, 'infinity'::timestamptz, $6::jsonb)`,
  [consumer, subject, given.shard, String(given.position), given.error])
}

/** Makes the next attempt of a subject due. No row: it was not blocked. */
export function unblockSubject(context: StatementContext, { consumer, subject }: CheckedSubject): Statement {
  return statement(context, 'unblock', table => `
update ${table('consumer_parked')} set attempts = 0, due_at = ${CLOCK}
where ${ONE_ROW} and passed_to is not null and due_at = 'infinity'::timestamptz`, [consumer, subject])
}
