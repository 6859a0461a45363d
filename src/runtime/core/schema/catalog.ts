import type { Queryable } from '../db/types'
import type { SchemaNames } from './types'

/** A store's database objects, read from PostgreSQL's catalog in a form that is the same in every server version. */
export interface Catalog {
  tables: CatalogTable[]
  indexes: CatalogIndex[]
  sequences: string[]
  functions: CatalogFunction[]
}

export interface CatalogTable {
  name: string
  /** The name of the partitioned table of which this is a partition. */
  partitionOf: string | null
  columns: CatalogColumn[]
}

export interface CatalogColumn {
  name: string
  type: string
  required: boolean
  /** Whether the column has a default or is generated, so that inserts may omit it. */
  filled: boolean
}

export interface CatalogIndex {
  name: string
  table: string
  primary: boolean
  unique: boolean
  valid: boolean
  /** Method, columns with their order, predicate. */
  definition: string
}

export interface CatalogFunction {
  name: string
  /** Types of its arguments. */
  signature: string
  result: string
  body: string
}

/** Reads all relations and functions whose names start with the prefix. Indexes of partitions are omitted: they belong to the parent's. */
export async function readCatalog(db: Queryable, { schema, prefix }: SchemaNames): Promise<Catalog> {
  const values = [schema, `${prefix}_`]
  const { rows: columns } = await db.query<CatalogColumn & { table: string, partition_of: string | null } & Record<string, unknown>>({ text: COLUMNS, values })
  const { rows: indexes } = await db.query<CatalogIndex & Record<string, unknown>>({ text: INDEXES, values })
  const { rows: sequences } = await db.query<{ name: string }>({ text: SEQUENCES, values })
  const { rows: functions } = await db.query<CatalogFunction & Record<string, unknown>>({ text: FUNCTIONS, values })
  const tables = new Map<string, CatalogTable>()
  for (const { table, partition_of, ...column } of columns) {
    const known = tables.get(table) ?? { name: table, partitionOf: partition_of, columns: [] }
    known.columns.push(column)
    tables.set(table, known)
  }
  return { tables: [...tables.values()], indexes, sequences: sequences.map(({ name }) => name), functions }
}

const COLUMNS = `
select c.relname::text as table, parent.relname::text as partition_of, a.attname::text as name,
  pg_catalog.format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required, a.atthasdef or a.attidentity <> '' as filled
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_inherits i on i.inhrelid = c.oid and c.relispartition
left join pg_catalog.pg_class parent on parent.oid = i.inhparent
where n.nspname = $1::text and c.relkind in ('r', 'p') and (pg_catalog.starts_with(c.relname::text, $2::text) or parent.relname = $2::text || 'events')
order by c.relname::text collate "C", a.attnum`

// The definition begins with the names of the index and its table. They are cut off, since they are compared separately.
const INDEXES = `
select i.relname::text as name, t.relname::text as table, x.indisprimary as primary, x.indisunique as unique,
  x.indisvalid and x.indisready as valid,
  pg_catalog.substr(pg_catalog.pg_get_indexdef(i.oid), pg_catalog.char_length(pg_catalog.concat(
    'CREATE ', case when x.indisunique then 'UNIQUE ' end, 'INDEX ', pg_catalog.quote_ident(i.relname), ' ON ',
    case when i.relkind = 'I' then 'ONLY ' end, pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(t.relname), ' USING '
  )) + 1) as definition
from pg_catalog.pg_index x
join pg_catalog.pg_class i on i.oid = x.indexrelid
join pg_catalog.pg_class t on t.oid = x.indrelid
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
where n.nspname = $1::text and pg_catalog.starts_with(t.relname::text, $2::text) and not i.relispartition
order by t.relname::text collate "C", i.relname::text collate "C"`

const SEQUENCES = `
select c.relname::text as name from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1::text and c.relkind = 'S' and pg_catalog.starts_with(c.relname::text, $2::text)
order by c.relname::text collate "C"`

const FUNCTIONS = `
select p.proname::text as name, pg_catalog.oidvectortypes(p.proargtypes) as signature, pg_catalog.format_type(p.prorettype, null) as result, p.prosrc as body
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname = $1::text and pg_catalog.starts_with(p.proname::text, $2::text)
order by p.proname::text collate "C", 2`
