import type { EventRecord } from '../shared/event'
import { CLOCK, clockIn, epochMs } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import { streamSpecs } from '../tables/builtin'

/** A subject whose first unhandled event failed; the later ones wait behind it. */
export interface Parked {
  subject: string
  shard: number
  /** Id of that event. */
  fromId: bigint
  attempts: number
  /** Until the next attempt; undefined for none: it is a dead letter. */
  delayMs: number | undefined
  /** JSON without secrets: what failed. */
  error: string
  /** What the handler gets in place of that event; null: it is dropped. */
  replacement?: EventRecord | null | undefined
  /** Others have overtaken it, and nothing of it has failed since: whatever waits for events waits for those of it, too. */
  isLeftBehind: boolean
}

/** The row of a subject that waits without a failure. */
export const waitingRow = ({ subject, shard, fromId, delayMs, isLeftBehind = false }: Pick<Parked, 'subject' | 'shard' | 'fromId' | 'delayMs'> & Partial<Parked>): Parked =>
  ({ subject, shard, fromId, attempts: 0, delayMs, error: '{}', replacement: undefined, isLeftBehind })

const due = (parameter: string) => `coalesce(${clockIn(parameter)}, 'infinity'::timestamptz)`

const statement = plannedEachTime('parked')

export function parkSubject(context: StatementContext, consumer: string, { subject, shard, fromId, attempts, delayMs, error, isLeftBehind }: Parked): Statement {
  return statement(context, 'park', table => `
insert into ${table('consumer_parked')} (tenant_id, consumer, subject, shard, from_id, attempts, due_at, error, left_behind)
values ($1::text, $2::text, $3::text, $4::int, $5::bigint, $6::int, ${due('$7')}, $8::jsonb, $9::boolean)
on conflict (tenant_id, consumer, subject) do update
  set from_id = excluded.from_id, attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error, left_behind = excluded.left_behind,
    replacement = null, requeued = false`,
  [consumer, subject, shard, String(fromId), attempts, delayMs ?? null, error, isLeftBehind])
}

/** Moves a parked subject on, from the event it stands at. No row: it stands elsewhere, and nothing of the transaction may be kept. */
export function moveParked(context: StatementContext, consumer: string, from: bigint, { subject, fromId, attempts, delayMs, error, isLeftBehind }: Parked): Statement {
  return statement(context, 'move', table => `
update ${table('consumer_parked')} set from_id = $5::bigint, attempts = $6::int, due_at = ${due('$7')}, error = $8::jsonb, left_behind = $9::boolean, requeued = false,
  replacement = case when from_id = $5::bigint then replacement end
where tenant_id = $1::text and consumer = $2::text and subject = $3::text and from_id = $4::bigint`,
  [consumer, subject, String(from), String(fromId), attempts, delayMs ?? null, error, isLeftBehind])
}

const COLUMNS = `subject, shard, from_id::text as "fromId", attempts,
  case when due_at = 'infinity'::timestamptz then null else greatest(0, ${epochMs(`due_at - ${CLOCK}`)})::double precision end as "delayMs",
  replacement::text as replacement, left_behind as "isLeftBehind"`

/** The parked subjects of shards. */
export function readParked(context: StatementContext, consumer: string, shards: number[]): Statement {
  return statement(context, 'read', table => `
select ${COLUMNS} from ${table('consumer_parked')} where tenant_id = $1::text and consumer = $2::text and shard = any($3::int[])`, [consumer, shards])
}

// The others are read when these have had their attempt.
const MOST_REQUEUED = 1_000

/**
 * Those of shards that an operator has requeued and nothing was attempted of since, the first due first; and some by name,
 * each by its key: without statistics a list of them would be looked for among all.
 */
export function readChanged(context: StatementContext, consumer: string, { shards, subjects }: { shards: number[], subjects: string[] }): Statement {
  return statement(context, 'changed', table => `
(select ${COLUMNS} from ${table('consumer_parked')}
  where tenant_id = $1::text and consumer = $2::text and shard = any($3::int[]) and requeued order by due_at limit ${MOST_REQUEUED})
union all
select found.* from pg_catalog.unnest($4::text[]) as given (name) cross join lateral (
  select ${COLUMNS} from ${table('consumer_parked')} where tenant_id = $1::text and consumer = $2::text and subject = given.name offset 0
) as found`, [consumer, shards, subjects])
}

/** Lets a subject go on with its shard, from the event it stands at. No row: it stands elsewhere. */
export function unparkSubject(context: StatementContext, consumer: string, subject: string, from: bigint): Statement {
  return statement(context, 'unpark', table => `
delete from ${table('consumer_parked')} where tenant_id = $1::text and consumer = $2::text and subject = $3::text and from_id = $4::bigint`, [consumer, subject, String(from)])
}

export interface DeadLetterInput {
  consumer: string
  subject: string
  eventId: bigint
  /** JSON. */
  event: string
  attempts: number
  error: string
  state: 'parked' | 'skipped'
}

export function addDeadLetter(context: StatementContext, { consumer, subject, eventId, event, attempts, error, state }: DeadLetterInput): Statement {
  return statement(context, 'dead', table => `
insert into ${table('dead_letters')} (tenant_id, consumer, subject, event_id, event, attempts, error, state)
values ($1::text, $2::text, $3::text, $4::bigint, $5::jsonb, $6::int, $7::jsonb, $8::text)
on conflict (tenant_id, consumer, subject, event_id) do update
  set event = excluded.event, attempts = excluded.attempts, error = excluded.error, state = excluded.state, dead_at = ${CLOCK}`,
  [consumer, subject, String(eventId), event, attempts, error, state])
}

/** Whether the event of an id is in the log, neither dismissed nor deleted. $1 is the tenant. */
export const isInLog = (table: (name: string) => string, id: string): string => `(${streamSpecs.map(spec =>
  `exists (select 1 from ${table(spec.table)} where tenant_id = $1::text and id = ${id} and dismissed is null)`).join(' or ')})`
