import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import type { BuildKey } from './statesSql'

/* How states are found by their fields, with a GIN index, and sorted by their number, with an index of its own. */

const statement = plannedEachTime('projection query')

/** The last entry of the page before. */
export interface QueryPlace {
  key: string
  rank: number | null
}

export interface Wanted {
  /** JSON that the fields have to contain: one of each list. */
  conditions: string[][]
  sort: { order: 'asc' | 'desc', min: number | null, max: number | null } | undefined
  after: QueryPlace | undefined
  limit: number
}

const OF_BUILD = 's.tenant_id = $1::text and s.name = $2::text and s.build = $3::bigint and s.state is not null'

const contains = (conditions: string[][], first: number): string =>
  conditions.map((_, at) => `and s.fields @> any($${first + at}::jsonb[])`).join(' ')

export function findStates(context: StatementContext, { name, build }: BuildKey, { conditions, sort, after, limit }: Wanted): Statement {
  const by = sort ? `rank ${sort.order}` : 'key'
  // Equal numbers are in the order of their keys, whichever way they are sorted.
  const behind = sort
    ? `s.rank is not null and ($7::double precision is null or s.rank >= $7::double precision) and ($8::double precision is null or s.rank <= $8::double precision)
  and ($4::text is null or (s.rank = $6::double precision and s.key > $4::text) or s.rank ${sort.order === 'asc' ? '>' : '<'} $6::double precision)`
    : '($4::text is null or s.key > $4::text)'
  // The page before is a bound as well, so that the index begins behind it.
  const [min, max] = sort?.order === 'asc' ? [after?.rank ?? sort.min, sort.max] : [sort?.min, after?.rank ?? sort?.max]
  const given: unknown[] = [name, build, after?.key ?? null, limit, ...sort ? [after?.rank ?? null, min, max] : []]
  return statement(context, `${by} ${conditions.length}`, table => `
select s.key, s.state::text as state, s.position::text as position, s.rank from ${table('projection_states')} s
where ${OF_BUILD} ${contains(conditions, given.length + 2)} and ${behind}
order by ${sort ? `s.rank ${sort.order}, s.key` : 's.key'} limit $5::bigint`, [...given, ...conditions])
}

export function countFound(context: StatementContext, { name, build }: BuildKey, conditions: string[][]): Statement {
  return statement(context, `count ${conditions.length}`, table => `
select pg_catalog.count(*)::bigint as count from ${table('projection_states')} s where ${OF_BUILD} ${contains(conditions, 4)}`, [name, build, ...conditions])
}
