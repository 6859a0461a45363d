import type { Db, Queryable } from '../db/types'
import { StoreError } from '../shared/errors'
import { streamSpecs } from '../tables/builtin'
import { placeOf, quoteIdentifier, quoteLiteral } from '../shared/identifier'
import { catalog } from './catalog.gen'
import { plainName } from './render'
import { locked } from './migrationLock'
import type { SchemaNames } from './types'

// Archived events keep their ids, which come from the sequence of the events.
const ARCHIVE = { table: 'events_archive', like: 'events' }
// Tables without an index on the column are checked by a sample: after a cut-over nearly every row is ahead of the sequence.
const SAMPLE = 1_000

interface Column {
  table: string
  column: string
  sequence: string
  last: string
  readable: boolean
  /** Inserts take its numbers without a right of their own. */
  identity: boolean
}

/** A sequence that would return numbers that rows already have. */
export interface SequenceBehind {
  sequence: string
  last: string
  table: string
  highest: string
  /** SQL that repairs the sequence; may be run repeatedly. */
  statement: string
}

/**
 * Finds sequences that are behind the rows of their tables, as after logical replication, or a restore of rows alone.
 * With `whole`, tables without an index on the column are read completely.
 */
export async function sequencesBehind(db: Queryable, { schema, prefix }: SchemaNames, whole = false): Promise<SequenceBehind[]> {
  const tableOf = (name: string) => `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
  const columns = withArchive(await columnsOf(db, schema, prefix), prefix)
  if (columns.length === 0) return []
  const ordered = new Set([...streamSpecs.map(spec => spec.table), ARCHIVE.table].map(table => `${prefix}_${table}`))
  const highestOf = ({ table, column }: Column) => {
    const name = quoteIdentifier(column)
    const rows = ordered.has(table) ? ` where tenant_id = '' order by ${name} desc limit 1` : ` where ${name} is not null${whole ? '' : ` limit ${SAMPLE}`}`
    return `(select pg_catalog.max(${name}) from (select ${name} from ${tableOf(table)}${rows}) as rows)`
  }
  const { rows: [row] } = await db.query<{ highest: (string | null)[] }>({
    text: `select array[${columns.map(highestOf).join(', ')}]::text[] as highest`, values: [],
  })
  const highestAt = columns.map((column, at) => ({ ...column, highest: row!.highest[at] ?? '0' }))
  let behind = highestAt.filter(({ last, highest }) => BigInt(highest) > BigInt(last))
  if (behind.length > 0) {
    // Rows may have been inserted after the sequences were read. Read again, sequences are at least as far as those rows.
    const now = new Map((await columnsOf(db, schema, prefix)).map(({ sequence, last }) => [sequence, last]))
    behind = behind.map(each => ({ ...each, last: now.get(each.sequence) ?? each.last })).filter(({ last, highest }) => BigInt(highest) > BigInt(last))
  }
  return behind.filter(({ sequence }, at) => behind.findIndex(each => each.sequence === sequence) === at).map((first) => {
    const own = columns.filter(({ sequence }) => sequence === first.sequence)
    const maxima = own.map(({ table, column }) => `(select pg_catalog.max(${quoteIdentifier(column)}) from ${tableOf(table)})`)
    const name = quoteLiteral(tableOf(first.sequence))
    const { sequence, last, table, highest } = first
    return { sequence, last, table, highest, statement: `select pg_catalog.setval(${name}, greatest(${maxima.join(', ')}, pg_catalog.pg_sequence_last_value(${name}::regclass)))` }
  })
}

/**
 * Ensures that sequences do not return numbers twice. When the schema may be changed, it advances the sequences past the
 * rows, under the migration lock.
 * @throws {StoreError} SCHEMA_BEHIND with the statement that repairs the sequence
 */
export async function requireSequences(db: Db, names: SchemaNames, mayMend: boolean): Promise<void> {
  const [first] = await sequencesBehind(db, names)
  if (!first) return
  if (mayMend) {
    return locked(db, names, async (session) => {
      for (const { statement } of await sequencesBehind(session, names)) await session.query({ text: statement, values: [] })
    })
  }
  throw new StoreError('SCHEMA_BEHIND', `${describeBehind(first)}, so it would return numbers that rows already have (as after a cut-over by logical replication, or a restore of rows alone); as the owner run: ${first.statement}`, {
    details: { ...placeOf(names), sequence: first.sequence },
  })
}

export const describeBehind = ({ sequence, last, table, highest }: SequenceBehind): string =>
  `the sequence ${sequence} is at ${last}, behind ${highest} in ${table}`

/** Whether the role may not read some of the sequences, or the tables that use them. */
export async function hidesSequences(db: Queryable, { schema, prefix }: SchemaNames): Promise<boolean> {
  return (await allColumns(db, schema, prefix)).some(({ readable, identity }) => !readable && !identity)
}

/** The columns and sequences that the role may read. A role without these rights takes no numbers from them. */
async function columnsOf(db: Queryable, schema: string, prefix: string): Promise<Column[]> {
  return (await allColumns(db, schema, prefix)).filter(({ readable }) => readable)
}

async function allColumns(db: Queryable, schema: string, prefix: string): Promise<Column[]> {
  const { rows } = await db.query<Column & Record<string, unknown>>({
    text: `select t.relname::text as table, a.attname::text as column, s.relname::text as sequence, seen.sequence and seen.table as readable, used.identity,
        case when seen.sequence then coalesce(pg_catalog.pg_sequence_last_value(s.oid), 0::bigint) else 0::bigint end::text as last
      from (
        -- Columns whose default takes numbers from a sequence.
        select given.adrelid, given.adnum, d.refobjid, false from pg_catalog.pg_depend d join pg_catalog.pg_attrdef given on d.objid = given.oid
        where d.classid = 'pg_catalog.pg_attrdef'::regclass::oid and d.refclassid = 'pg_catalog.pg_class'::regclass::oid
        union
        -- Columns that own one: identities, and those filled by statements.
        select refobjid, refobjsubid, objid, deptype = 'i' from pg_catalog.pg_depend
        where classid = 'pg_catalog.pg_class'::regclass::oid and refclassid = 'pg_catalog.pg_class'::regclass::oid and refobjsubid > 0 and deptype in ('a', 'i')
      ) as used ("table", "column", sequence, identity)
      join pg_catalog.pg_class s on s.oid = used.sequence and s.relkind = 'S'
      join pg_catalog.pg_class t on t.oid = used."table" and not t.relispartition
      join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = used."column"
      join pg_catalog.pg_namespace n on n.oid = s.relnamespace and n.oid = t.relnamespace
      cross join lateral (select pg_catalog.has_table_privilege(t.oid, 'select'::text), pg_catalog.has_sequence_privilege(s.oid, 'select, usage'::text)) as seen("table", sequence)
      where n.nspname = $1::text and s.relname = any($2::text[])
      order by 1, 2`,
    values: [schema, catalog.sequences.map(name => plainName(name, prefix))],
  })
  return rows
}

function withArchive(columns: Column[], prefix: string): Column[] {
  const events = columns.find(({ table }) => table === `${prefix}_${ARCHIVE.like}`)
  return events ? [...columns, { ...events, table: `${prefix}_${ARCHIVE.table}` }] : columns
}
