import type { Shards } from '../log/sql'
import { shardSql, topicCondition } from '../log/sql'
import type { TopicCondition } from '../shared/topics'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import type { SubjectPart, Selection } from '../tables/select'
import { streamSpecs } from '../tables/builtin'

// Planned each time: the tables of consumers are small, and a plan from when they were empty is wrong for long.

/**
 * What one table still has for a relay, for each topic, and in all with topic null: events behind the position of their
 * shard, and those of subjects that wait. Without `shards` the relay has never been started: everything with a topic.
 */
export function countPending(context: StatementContext, { spec, subject }: Selection, consumer: string, shards: Shards | undefined): Statement {
  const { names } = context
  const values: unknown[] = [context.tenant]
  const parameter = (value: unknown) => `$${values.push(value)}`
  const events = names.table(spec.table)
  const hasTopics = 'e.tenant_id = $1::text and e.dismissed is null and pg_catalog.jsonb_typeof(e.meta -> \'topics\'::text) = \'array\'::text'
  const ofConsumer = (name: string) => `from ${names.table(name)} p where p.tenant_id = $1::text and p.consumer = $2::text`
  const behindShards = ({ count }: Shards) => {
    parameter(consumer)
    const text = subjectSql(subject, parameter)
    return `
  select e.meta, e.ts from ${events} e
  join ${names.table('consumer_shards')} s on s.tenant_id = $1::text and s.consumer = $2::text and s.shard = ${shardSql(text, parameter(count))}
  where ${hasTopics} and e.id > s.position and e.id > (select pg_catalog.min(p.position) ${ofConsumer('consumer_shards')})
    and not exists (select ${ofConsumer('consumer_parked')} and p.subject = ${text} and p.from_id <= e.id)
  union all
  select e.meta, e.ts from ${names.table('consumer_parked')} p join ${events} e on ${sameSubject(subject, parameter)} and e.id >= p.from_id
  where p.tenant_id = $1::text and p.consumer = $2::text and ${hasTopics}`
  }
  return {
    text: `
with pending as (${shards ? behindShards(shards) : `select e.meta, e.ts from ${events} e where ${hasTopics}`}
)
select null as topic, pg_catalog.count(*)::double precision as events, pg_catalog.min(ts)::double precision as oldest from pending
union all
select topic, pg_catalog.count(*)::double precision, null from pending, pg_catalog.jsonb_array_elements_text(meta -> 'topics'::text) as topic group by topic`,
    values,
  }
}

export interface CleanUp {
  consumer: string
  /** Partition key of the messages. */
  partition: string
  /** How the subjects of all messages, and of those without a key, begin. */
  all: string
  single: string
  /** What the relay publishes: messages for others are theirs to remove. */
  topics: TopicCondition
  keepMs: number
  limit: number
}

/** Deletes messages that are published for long enough, with the heads of subjects that never come back. */
export function deletePublished(context: StatementContext, { consumer, partition, all, single, topics, keepMs, limit }: CleanUp): Statement {
  const { names } = context
  const values: unknown[] = [context.tenant, consumer, partition, all, single, keepMs, limit]
  const isOfRelay = topicCondition(topics, value => `$${values.push(value)}`)
  const events = names.table(MESSAGES.table)
  return {
    text: `
with victim as (
  select e.id, e.subject from ${events} e
  where e.tenant_id = $1::text and e.subject_prefix = $3::text and pg_catalog.starts_with(e.subject, $4::text) and ${isOfRelay}
    and e.id <= (select pg_catalog.min(position) from ${names.table('consumer_shards')} where tenant_id = $1::text and consumer = $2::text)
    and e.ts <= pg_catalog.floor(extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint - $6::bigint
    and not exists (select from ${names.table('consumer_parked')} p where p.tenant_id = $1::text and p.consumer = $2::text and p.subject = e.subject and p.from_id <= e.id)
  order by e.id limit $7::bigint
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

const subjectSql = (subject: SubjectPart[], parameter: (value: unknown) => string): string =>
  `(${subject.map(part => 'text' in part ? `${parameter(part.text)}::text` : `e.${part.column.sql}`).join(' || ')})`
