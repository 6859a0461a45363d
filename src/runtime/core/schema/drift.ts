import type { DriftFinding, SchemaNames } from './types'
import type { Queryable } from '../db/types'
import { catalog as snapshot } from './catalog.gen'
import type { Catalog, CatalogColumn, CatalogFunction, CatalogIndex, CatalogTable } from './catalog'
import { readCatalog } from './catalog'
import { plainName, renderMigration } from './render'
import { quoteIdentifier } from '../shared/identifier'

/**
 * Compares the database with the schema that the migrations of this build create: tables, columns, keys, indexes,
 * sequences and functions. Read-only. For a schema that is behind, it also reports what pending migrations would create:
 * call `plan` first.
 */
export async function drift(db: Queryable, names: SchemaNames): Promise<DriftFinding[]> {
  const expected = fillIn(snapshot, names)
  const actual = await readCatalog(db, names)
  return [
    ...expected.tables.flatMap(table => tableFindings(table, actual.tables.find(({ name }) => name === table.name))),
    ...partitionFindings(expected, actual, names),
    ...expected.indexes.flatMap(index => indexFindings(index, actual.indexes, actual.tables)),
    ...actual.indexes.filter(({ name, valid }) => !valid && !expected.indexes.some(index => index.name === name)).map(invalid),
    ...expected.sequences.filter(name => !actual.sequences.includes(name)).map(name => missing('sequence', name, RESTORE)),
    ...expected.functions.flatMap(each => functionFindings(each, actual.functions)),
  ]
}

const RESTORE = 'restore it from a backup, or from the SQL that `npx nvent-store sql` prints'
const COMPARE = 'compare it with the SQL that `npx nvent-store sql` prints, and change it back'

/** Fills the names in. The snapshot was taken with the placeholders as names. */
function fillIn(catalog: Catalog, names: SchemaNames): Catalog {
  const plain = (name: string) => plainName(name, names.prefix)
  return {
    tables: catalog.tables.map(table => ({ ...table, name: plain(table.name), partitionOf: table.partitionOf && plain(table.partitionOf) })),
    indexes: catalog.indexes.map(index => ({ ...index, name: plain(index.name), table: plain(index.table), definition: renderMigration(index.definition, names) })),
    sequences: catalog.sequences.map(plain),
    functions: catalog.functions.map(each => ({ ...each, name: plain(each.name), body: renderMigration(each.body, names) })),
  }
}

function tableFindings(expected: CatalogTable, actual: CatalogTable | undefined): DriftFinding[] {
  if (!actual) return [missing('table', expected.name, RESTORE)]
  return [
    ...(actual.partitionOf === expected.partitionOf ? [] : [detached(expected, actual)]),
    ...expected.columns.flatMap(column => columnFindings(expected.name, column, actual.columns.find(({ name }) => name === column.name))),
    ...actual.columns.filter(column => isInTheWay(column, expected)).map(({ name }): DriftFinding => ({
      object: 'column', name: `${expected.name}.${name}`, problem: 'unexpected', level: 'fail',
      message: `column ${name} of table ${expected.name} is not the store's, and must not be null: every insert fails`,
      advice: 'give it a default, or let it be null',
    })),
  ]
}

/** A column that the user has added is fine as long as inserts may omit it. */
const isInTheWay = (column: CatalogColumn, { columns }: CatalogTable): boolean =>
  column.required && !column.filled && !columns.some(({ name }) => name === column.name)

function columnFindings(table: string, expected: CatalogColumn, actual: CatalogColumn | undefined): DriftFinding[] {
  const name = `${table}.${expected.name}`
  if (!actual) return [missing('column', name, RESTORE)]
  const [want, is] = [describe(expected), describe(actual)]
  return want === is ? [] : [different('column', name, want, is, 'fail')]
}

function describe({ type, required, filled }: CatalogColumn): string {
  return `${type}${required ? ' not null' : ''}${filled ? ' with a default' : ''}`
}

/** Findings on the tables of generic streams, which are created at run time with the structure of the default partition. */
function partitionFindings(expected: Catalog, actual: Catalog, { prefix }: SchemaNames): DriftFinding[] {
  const key = expected.indexes.find(({ table, primary }) => primary && table === `${prefix}_events_default`)!
  return actual.tables
    .filter(({ name, partitionOf }) => partitionOf === `${prefix}_events` && !expected.tables.some(table => table.name === name))
    .flatMap(({ name }) => keyFindings({ ...key, table: name }, actual.indexes))
}

function indexFindings(expected: CatalogIndex, indexes: CatalogIndex[], tables: CatalogTable[]): DriftFinding[] {
  // A missing table has already been reported.
  if (!tables.some(({ name }) => name === expected.table)) return []
  if (expected.primary) return keyFindings(expected, indexes)
  const actual = indexes.find(({ name, table }) => name === expected.name && table === expected.table)
  if (!actual) return [missing('index', expected.name, `make it again: ${createIndex(expected)}`, 'warn')]
  if (!actual.valid) return [invalid(actual)]
  const [want, is] = [definitionOf(expected), definitionOf(actual)]
  return want === is ? [] : [different('index', expected.name, want, is, 'warn')]
}

// Primary keys are matched by table: PostgreSQL chose their names, and a renamed key works as well.
function keyFindings(expected: CatalogIndex, indexes: CatalogIndex[]): DriftFinding[] {
  const actual = indexes.find(({ table, primary }) => primary && table === expected.table)
  if (!actual) return [missing('key', expected.table, `find what holds the same key twice, then: alter table … add primary key ${expected.definition.slice('btree '.length)}`)]
  return actual.definition === expected.definition ? [] : [different('key', expected.table, expected.definition, actual.definition, 'fail')]
}

const definitionOf = ({ unique, definition }: CatalogIndex): string => `${unique ? 'unique ' : ''}${definition}`

function createIndex({ name, table, unique, definition }: CatalogIndex): string {
  return `create ${unique ? 'unique ' : ''}index concurrently ${quoteIdentifier(name)} on ${quoteIdentifier(table)} using ${definition}`
}

function functionFindings(expected: CatalogFunction, functions: CatalogFunction[]): DriftFinding[] {
  const name = `${expected.name}(${expected.signature})`
  const actual = functions.find(each => each.name === expected.name && each.signature === expected.signature)
  if (!actual) return [missing('function', name, RESTORE)]
  if (actual.result !== expected.result) return [different('function', name, expected.result, actual.result, 'fail')]
  return actual.body.trim() === expected.body.trim() ? [] : [different('function', name, 'the body of the migration', 'another body', 'warn')]
}

const words = { table: 'table', column: 'column', key: 'the primary key of table', index: 'index', sequence: 'sequence', function: 'function' }

function missing(object: DriftFinding['object'], name: string, advice: string, level: DriftFinding['level'] = 'fail'): DriftFinding {
  return { object, name, problem: 'missing', level, message: `${words[object]} ${name} is missing`, advice }
}

function different(object: DriftFinding['object'], name: string, expected: string, actual: string, level: DriftFinding['level']): DriftFinding {
  return { object, name, problem: 'different', expected, actual, level, message: `${words[object]} ${name} is ${actual}, not ${expected}`, advice: COMPARE }
}

function invalid({ name, table }: CatalogIndex): DriftFinding {
  return {
    object: 'index', name, problem: 'invalid', level: 'warn',
    message: `index ${name} of table ${table} is invalid: writes pay for it, and no read uses it`,
    advice: `its build was cut off: reindex index concurrently ${quoteIdentifier(name)}, or drop it`,
  }
}

function detached({ name, partitionOf }: CatalogTable, actual: CatalogTable): DriftFinding {
  const belongs = (parent: string | null) => parent === null ? 'a table of its own' : `a partition of ${parent}`
  return different('table', name, belongs(partitionOf), belongs(actual.partitionOf), 'fail')
}
