import type { Queryable } from '../../db/types'
import { columnsOf } from '../../tables/fields'
import { patternOf } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { Names } from '../../shared/identifier'
import { quoteIdentifier } from '../../shared/identifier'
import { likeOf } from '../../sql/like'
import type { EventTable } from './sql'
import { listTables } from '../../partitions/subjectTables'

/** A table some subjects of which a rule means. */
export interface MeantTable {
  table: EventTable
  /** All its subjects are meant. */
  whole: boolean
  pattern: string
  from: string
  to: string | null
}

interface Candidate {
  table: EventTable
  /** What every subject in the table begins with. */
  start: string
}

/** The tables that events are in: each spec's own, or its partitions. */
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

/** Which of the tables a glob means something in, and how much of them. */
export function meantTables(tables: Candidate[], glob: string): MeantTable[] {
  const { pattern, from: literal } = likeOf(glob)
  const prefixOnly = glob === `${literal}*`
  return tables.filter(({ start }) => start.startsWith(literal) || literal.startsWith(start)).map(({ start, table }) => {
    const { from, to } = likeOf(literal.startsWith(table.before) ? literal.slice(table.before.length) : '')
    return { table, whole: prefixOnly && start.startsWith(literal), pattern, from, to }
  })
}
