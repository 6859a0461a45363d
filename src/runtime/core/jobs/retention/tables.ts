import type { Queryable } from '../../db/types'
import { columnsOf } from '../../tables/fields'
import { patternOf } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { Names } from '../../shared/identifier'
import { quoteIdentifier } from '../../shared/identifier'
import { likeOf } from '../../sql/like'
import type { EventTable } from './sql'
import { listTables } from '../../partitions/subjectTables'

/** A table with subjects that match a rule. */
export interface MatchedTable {
  table: EventTable
  /** All its subjects match. */
  whole: boolean
  pattern: string
  from: string
  to: string | null
}

interface Candidate {
  table: EventTable
  /** The prefix of every subject in the table. */
  start: string
}

/** The tables that contain events: the table of each spec, or its partitions. */
export async function eventTables(db: Queryable, names: Names, specs: StreamSpec[], subjectPrefix: string): Promise<Candidate[]> {
  const found: Candidate[] = []
  for (const spec of specs) {
    // The key of an event table is the last capture: it takes the rest of the subject.
    const { sql: key } = columnsOf(spec).keys.at(-1)!
    const { start: before } = patternOf(spec, subjectPrefix)
    if (!spec.partition) {
      found.push({ start: before, table: { spec, key, before, name: names.table(spec.table) } })
      continue
    }
    for (const { subjectPrefix: of, tableName } of await listTables(db, names)) {
      found.push({ start: `${of}:`, table: { spec, key, before, name: `${quoteIdentifier(names.schema)}.${quoteIdentifier(tableName)}` } })
    }
    found.push({ start: before, table: { spec, key, before, name: names.table(`${spec.table}_default`) } })
  }
  return found
}

/** The tables with subjects that a glob matches, with the bounds of the matching keys. */
export function matchedTables(tables: Candidate[], glob: string): MatchedTable[] {
  const { pattern, from: literal } = likeOf(glob)
  const prefixOnly = glob === `${literal}*`
  return tables.filter(({ start }) => start.startsWith(literal) || literal.startsWith(start)).map(({ start, table }) => {
    const { from, to } = likeOf(literal.startsWith(table.before) ? literal.slice(table.before.length) : '')
    return { table, whole: prefixOnly && start.startsWith(literal), pattern, from, to }
  })
}
