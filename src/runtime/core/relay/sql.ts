import type { Shards } from '../log/sql'
import { shardSql, topicCondition } from '../log/sql'
import type { TopicCondition } from '../shared/topics'
import { NOW_MS } from '../sql/clock'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import type { SubjectPart, Selection } from '../tables/select'
import { subjectSql } from '../tables/select'
import { streamSpecs } from '../tables/builtin'

// Planned each time: the tables of consumers are small, and a plan from when they were empty is wrong for long.

/** What the database knows of a relay. */
export interface KnownRelay {
  name: string
  /** The lowest of its shards. */
  position: string
  /** It publishes what comes after this position. */
  from: string
  topics: TopicCondition
  keepMs: number
}

/** Writes down what a relay publishes. From here on, unless it did so before: what was passed over until now never comes again. */
export function describeRelay(context: StatementContext, { name, topics, keepMs }: Omit<KnownRelay, 'position' | 'from'>): Statement {
  const { names } = context
  return {
    text: `
update ${names.table('consumers')} c set relay = pg_catalog.jsonb_build_object('topics'::text, $3::jsonb, 'keepMs'::text, $4::bigint, 'from'::text,
  case when c.relay -> 'topics'::text = $3::jsonb then c.relay ->> 'from'::text
  else (select pg_catalog.max(position)::text from ${names.table('consumer_shards')} where tenant_id = $1::text and consumer = $2::text) end)
where c.tenant_id = $1::text and c.consumer = $2::text`,
    values: [context.tenant, name, JSON.stringify(topics), keepMs],
  }
}

export function readRelays(context: StatementContext): Statement {
  const { names } = context
  return {
    text: `
select c.consumer as name, c.relay::text as relay,
  (select pg_catalog.min(position)::text from ${names.table('consumer_shards')} s where s.tenant_id = c.tenant_id and s.consumer = c.consumer) as position
from ${names.table('consumers')} c where c.tenant_id = $1::text and c.relay is not null`,
    values: [context.tenant],
  }
}

export interface PendingOf {
  consumer: string
  topics: TopicCondition
  /** Undefined: the relay has never been started, and begins after a position. */
  shards: Shards | undefined
  from: string
}

/**
 * What one table still has for a relay, for each topic, and in all with topic null: events behind the position of their
 * shard, and those of subjects that wait.
 */
export function countPending(context: StatementContext, { spec, subject }: Selection, { consumer, topics, shards, from }: PendingOf): Statement {
  const { names } = context
  const values: unknown[] = [context.tenant, consumer]
  const parameter = (value: unknown) => `$${values.push(value)}`
  const events = names.table(spec.table)
  const isOfRelay = `e.tenant_id = $1::text and e.dismissed is null and ${topicCondition(topics, parameter)}`
  const ofConsumer = (name: string) => `from ${names.table(name)} p where p.tenant_id = $1::text and p.consumer = $2::text`
  const behindShards = ({ count }: Shards) => {
    const text = subjectSql(subject, parameter, 'e.')
    return `
  select e.meta, e.ts from ${events} e
  join ${names.table('consumer_shards')} s on s.tenant_id = $1::text and s.consumer = $2::text and s.shard = ${shardSql(text, parameter(count))}
  where ${isOfRelay} and e.id > s.position and e.id > (select pg_catalog.min(p.position) ${ofConsumer('consumer_shards')})
    and not exists (select ${ofConsumer('consumer_parked')} and p.subject = ${text} and p.from_id <= e.id)
  union all
  select e.meta, e.ts from ${names.table('consumer_parked')} p join ${events} e on ${sameSubject(subject, parameter)} and e.id >= p.from_id
  where p.tenant_id = $1::text and p.consumer = $2::text and ${isOfRelay}`
  }
  return {
    text: `
with pending as (${shards ? behindShards(shards) : `select e.meta, e.ts from ${events} e where $2::text is not null and ${isOfRelay} and e.id > ${parameter(from)}::bigint`}
)
select null as topic, pg_catalog.count(*)::double precision as events, pg_catalog.min(ts)::double precision as oldest from pending
union all
select topic, pg_catalog.count(*)::double precision, null from pending, pg_catalog.jsonb_array_elements_text(case pg_catalog.jsonb_typeof(meta -> 'topics'::text) when 'array'::text then meta -> 'topics'::text else '[]'::jsonb end) as topic group by topic`,
    values,
  }
}

export interface CleanUp {
  /** The relay that cleans up, and all others: what they have still to publish stays. */
  relay: KnownRelay
  others: KnownRelay[]
  /** Partition key of the messages. */
  partition: string
  /** How the subjects of all messages, and of those without a key, begin. */
  all: string
  single: string
  limit: number
}

/** Deletes messages that are published for long enough, with the heads of subjects that never come back. */
export function deletePublished(context: StatementContext, { relay, others, partition, all, single, limit }: CleanUp): Statement {
  const { names } = context
  const values: unknown[] = [context.tenant, relay.position, partition, all, single, limit]
  const parameter = (value: unknown) => `$${values.push(value)}`
  const events = names.table(MESSAGES.table)
  const isOf = ({ topics, from }: KnownRelay) => `${topicCondition(topics, parameter)} and e.id > ${parameter(from)}::bigint`
  const isDone = ({ name, position, keepMs }: KnownRelay) => `e.id <= ${parameter(position)}::bigint and e.ts <= ${NOW_MS} - ${parameter(keepMs)}::bigint
    and not exists (select from ${names.table('consumer_parked')} p where p.tenant_id = $1::text and p.consumer = ${parameter(name)}::text and p.subject = e.subject and p.from_id <= e.id)`
  return {
    text: `
with victim as (
  select e.id, e.subject from ${events} e
  where e.tenant_id = $1::text and e.subject_prefix = $3::text and pg_catalog.starts_with(e.subject, $4::text) and e.id <= $2::bigint
    and ${isOf(relay)}
    and ${isDone(relay)}${others.map(other => `
    and ((${isOf(other)}) is not true or (${isDone(other)}))`).join('')}
  order by e.id limit $6::bigint
), gone as (
  delete from ${events} e using victim v where e.tenant_id = $1::text and e.subject_prefix = $3::text and e.subject = v.subject and e.id = v.id returning e.subject
), heads as (
  delete from ${names.table('heads')} h using gone g where h.tenant_id = $1::text and h.subject = g.subject and pg_catalog.starts_with(g.subject, $5::text)
)
select pg_catalog.count(*)::int as deleted from gone`,
    values,
  }
}

/** The table of subjects without one of their own. */
const MESSAGES = streamSpecs.at(-1)!

/** A parked subject is that of an event, said so that an index on the key of the events can be used. */
function sameSubject(subject: SubjectPart[], parameter: (value: unknown) => string): string {
  const start = subject.map(part => 'text' in part ? part.text : '').join('')
  if (start === '') return subject.map(part => 'text' in part ? '' : `e.${part.column.sql} = p.subject`).join('')
  const column = subject.map(part => 'text' in part ? '' : part.column.sql).join('')
  return `pg_catalog.starts_with(p.subject, ${parameter(start)}::text) and e.${column} = pg_catalog.substr(p.subject, ${parameter(start.length + 1)}::int)`
}
