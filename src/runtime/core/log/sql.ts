import type { Selection, SubjectPart } from '../tables/select'
import { partitionsOf, subjectSql } from '../tables/select'
import { columnsOf } from '../tables/fields'
import { likePattern } from '../shared/glob'
import type { TopicCondition } from '../shared/topics'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { pageColumns } from '../stream/read/sql'
import { selectColumns } from '../sql/rows'

/** Which events of all streams: ids in `(after, upTo]`, as decimal strings. */
export interface GlobalRange {
  after: string
  upTo: string
  limit: number
  types?: string[] | undefined
  correlationId?: string | undefined
  /** Milliseconds since 1970, as a decimal string. */
  since?: string | undefined
  topics?: TopicCondition | undefined
  /** The subjects of some of so many shards; their number comes with each row. */
  shards?: Shards | undefined
}

export interface Shards {
  count: number
  /** Default: all. */
  wanted?: number[] | undefined
}

/** Conditions on an event other than its subject, by option name. */
const CONDITIONS: Record<'types' | 'correlationId' | 'since', (parameter: string) => string> = {
  types: parameter => `type = any(${parameter}::text[])`,
  correlationId: parameter => `meta ->> 'correlationId'::text = ${parameter}::text`,
  since: parameter => `ts >= ${parameter}::bigint`,
}

/**
 * Reads events of one table (with all its partitions) in order of id: a merge of primary key scans. Not a prepared
 * statement: it is planned for its values, so that the planner prunes partitions that can't hold a wanted subject. The
 * rows are those of `decodeCells`, followed by the shard and by the column that the subject ends with, where there are.
 */
export function readGlobal(context: StatementContext, { spec, subject, wanted }: Selection, range: GlobalRange): Statement {
  const values: unknown[] = []
  const parameter = (value: unknown) => `$${values.push(value)}`
  const conditions = [
    `tenant_id = ${parameter(context.tenant)}::text`,
    `id > ${parameter(range.after)}::bigint`,
    `id <= ${parameter(range.upTo)}::bigint`,
    'dismissed is null',
  ]
  for (const [name, condition] of Object.entries(CONDITIONS) as [keyof typeof CONDITIONS, (parameter: string) => string][]) {
    if (range[name] !== undefined) conditions.push(condition(parameter(range[name])))
  }
  if (range.topics) conditions.push(topicCondition(range.topics, parameter))
  if (wanted) conditions.push(`(${subjectConditions(spec, subject, wanted, parameter).join(' or ')})`)
  const shard = range.shards && shardSql(subjectSql(subject, parameter), parameter(range.shards.count))
  if (shard && range.shards?.wanted) conditions.push(`${shard} = any(${parameter(range.shards.wanted)}::int[])`)
  const key = subject.find(part => 'column' in part)?.column.sql
  return {
    text: `
select ${selectColumns(spec, pageColumns(spec))}, ${shard ?? 'null'}, ${key ?? 'null'}
from ${context.names.table(spec.table)}
where ${conditions.join('\n  and ')}
order by id
limit ${parameter(range.limit)}::bigint`,
    values,
  }
}

/** Signs of the events with these ids or, with `newest`, of that many newest events up to each of the ids. */
export function readSigns(context: StatementContext, { spec, subject, wanted }: Selection, ids: string[], newest?: number): Statement {
  const values: unknown[] = []
  const parameter = (value: unknown) => `$${values.push(value)}`
  const select = `select id, version, ts, ${columnsOf(spec).keys.map(({ sql }) => sql).join(', ')}
from ${context.names.table(spec.table)}
where tenant_id = ${parameter(context.tenant)}::text`
  const bounds = `${parameter(ids)}::bigint[]`
  const text = newest === undefined
    ? `
${select} and id = any(${bounds})${wanted ? ` and (${subjectConditions(spec, subject, wanted, parameter).join(' or ')})` : ''}`
    : `
select newest.* from pg_catalog.unnest(${bounds}) as bound (id) cross join lateral (
${select} and id <= bound.id
order by id desc
limit ${parameter(newest)}::bigint) as newest`
  return { text, values }
}

export function readVersions(context: StatementContext, subjects: string[]): Statement {
  return {
    ...context.cache.compile('versions', () => `
select subject, version from ${context.names.table('heads')} where tenant_id = $1::text and subject = any($2::text[])`),
    values: [context.tenant, subjects],
  }
}

/** The shard of a subject, from 0 on, among so many: by a hash that is the same on every server of a kind. */
export const shardSql = (subject: string, shards: string): string =>
  `pg_catalog.mod(pg_catalog.hashtextextended(${subject}, 0::bigint) & 9223372036854775807, ${shards}::bigint)::int`

/** As `hasTopics` says. An array only: `meta.topics` may be something of the caller's own. */
export function topicCondition(wanted: TopicCondition, parameter: Parameter): string {
  const own = '(meta -> \'topics\'::text)'
  const isList = `pg_catalog.jsonb_typeof(${own}) = 'array'::text`
  if (wanted.mode === 'any') return isList
  const has = `(${isList} and ${own} ${wanted.mode === 'all' ? '?&' : '?|'} ${parameter(wanted.topics)}::text[])`
  return wanted.mode === 'exclude' ? `${has} is not true` : has
}

type Parameter = (value: unknown) => string

function subjectConditions(
  spec: Selection['spec'], subject: SubjectPart[], { routes, globs }: NonNullable<Selection['wanted']>, parameter: Parameter,
): string[] {
  const text = () => subjectSql(subject, parameter)
  const conditions: string[] = []
  if (routes.length > 0) {
    // Each key separately, so that the planner can use indexes and prune partitions; the whole subject decides.
    const keys = columnsOf(spec).keys.map(({ sql }, at) => `${sql} = any(${parameter([...new Set(routes.map(route => route.keys[at]))])}::text[])`)
    const subjects = parameter(routes.map(route => route.subject))
    conditions.push(`(${[...keys, `${text()} = any(${subjects}::text[])`].join(' and ')})`)
  }
  for (const glob of globs) {
    const like = `${text()} like ${parameter(likePattern(glob))}::text escape '\\'`
    const partitions = spec.partition ? partitionsOf(glob) : undefined
    conditions.push(partitions ? `(${like} and (${partitionCondition(columnsOf(spec).keys[0]!.sql, partitions, parameter)}))` : like)
  }
  return conditions
}

function partitionCondition(column: string, { keys, from, to }: NonNullable<ReturnType<typeof partitionsOf>>, parameter: Parameter): string {
  const listed = `${column} = any(${parameter(keys)}::text[])`
  return from === undefined ? listed : `${listed} or (${column} >= ${parameter(from)}::text and ${column} < ${parameter(to)}::text)`
}
