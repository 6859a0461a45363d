import type { Row, Session } from '../db/types'
import { checkCount, checkNumber, checkOptions, checkWord } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { DEFAULT_PAGE, readTextCursor, writeTextCursor } from '../sql/cursor'
import type { StatementContext } from '../sql/template'
import { serving } from './builds'
import { conditionsOf, declaredOf } from './declaredFields'
import { countFound, findStates } from './querySql'
import type { QueryPlace } from './querySql'
import { PROJECTION_QUERY_OPTIONS } from './statesApi'
import type { ProjectionList, ProjectionQueryOptions } from './statesApi'

interface FoundRow extends Row {
  key: string
  state: string
  position: string
  rank: number | null
}

/** A page of the states that serve and have these fields, by their keys, or sorted by the number that sorts them. */
export async function queryStates<State>(context: StatementContext, session: Pick<Session, 'query'>, name: string, given: ProjectionQueryOptions | undefined): Promise<ProjectionList<State>> {
  const { filter, order, min, max, cursor, limit: givenLimit = DEFAULT_PAGE } = checkOptions('options', given, PROJECTION_QUERY_OPTIONS)
  const limit = checkCount('options.limit', givenLimit)
  const bounds = { min: min === undefined ? null : checkNumber('options.min', min), max: max === undefined ? null : checkNumber('options.max', max) }
  const sorting = Object.entries({ order, min, max }).find(([, value]) => value !== undefined)?.[0]
  const isSorted = sorting !== undefined
  const { build, declared } = await declaredServing(context, session, name)
  const conditions = conditionsOf(declared, { name, build }, 'options.filter', filter)
  if (isSorted && declared.sortBy === null) throw invalidValue(`options.${sorting}`, `needs \`sortBy\` in the options of projection ${JSON.stringify(name)}: nothing sorts its states`)
  const sort = isSorted ? { order: checkWord('options.order', order === undefined ? 'desc' : order, ['asc', 'desc']), ...bounds } : undefined
  const { rows } = await session.query<FoundRow>(findStates(context, { name, build }, { conditions, sort, after: placeOf(cursor, isSorted), limit }))
  const last = rows.at(-1)
  return {
    entries: rows.map(({ key, state, position }) => ({ key, state: JSON.parse(state) as State, position })),
    cursor: last && rows.length === limit ? writeTextCursor(JSON.stringify(isSorted ? [last.key, last.rank] : [last.key])) : null,
  }
}

/** How many of them there are. */
export async function countStates(context: StatementContext, session: Pick<Session, 'query'>, name: string, filter: unknown): Promise<number> {
  const { build, declared } = await declaredServing(context, session, name)
  const { rows: [row] } = await session.query(countFound(context, { name, build }, conditionsOf(declared, { name, build }, 'filter', filter)))
  return Number(row!.count)
}

async function declaredServing(context: StatementContext, session: Pick<Session, 'query'>, name: string) {
  const { build, declared } = await serving(context, session, name)
  return { build, declared: declaredOf(name, declared) }
}

function placeOf(cursor: unknown, isSorted: boolean): QueryPlace | undefined {
  if (cursor === undefined || cursor === null) return undefined
  const place = parsed(readTextCursor(cursor))
  const isOne = Array.isArray(place) && typeof place[0] === 'string' && (isSorted ? place.length === 2 && typeof place[1] === 'number' : place.length === 1)
  if (!isOne) throw invalidValue('options.cursor', 'is not a cursor returned by query() with these options')
  const [key, rank = null] = place as [string, number?]
  return { key, rank }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  }
  catch {
    return undefined
  }
}
