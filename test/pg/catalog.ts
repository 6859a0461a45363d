import type { Database, Row } from '../setup/database'

type Sql = Database['sql']

export interface Column extends Row { table: string, column: string, type: string, default: string | null, required: boolean }
export interface Index extends Row { table: string, index: string, columns: string[], unique: boolean, primary: boolean, definition: string }

/** Every column of a schema's tables, as the catalog has it. */
export async function columnsOf(sql: Sql, schema: string): Promise<Column[]> {
  return sql<Column>(`
    select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
      case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end as default
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where n.nspname = $1 and c.relkind in ('r', 'p')
    order by c.relname, a.attnum`, [schema])
}

/** Every index of a schema, its definition without the schema's name. */
export async function indexesOf(sql: Sql, schema: string): Promise<Index[]> {
  const indexes = await sql<Index>(`
    select t.relname as table, i.relname as index, x.indisunique as unique, x.indisprimary as primary,
      pg_get_indexdef(i.oid) as definition,
      array(select pg_get_indexdef(i.oid, at, false) from generate_series(1, x.indnkeyatts) at) as columns
    from pg_index x
    join pg_class i on i.oid = x.indexrelid
    join pg_class t on t.oid = x.indrelid
    join pg_namespace n on n.oid = t.relnamespace
    where n.nspname = $1
    order by t.relname, i.relname`, [schema])
  return indexes.map(index => ({ ...index, definition: index.definition.replace(` ON ONLY ${schema}.`, ' ON ').replace(` ON ${schema}.`, ' ON ') }))
}

/** All that DDL could have changed: relations, functions, schemas, columns and constraints. */
export async function everything(sql: Sql): Promise<Row[]> {
  return sql(`
    select 'relation' as kind, oid::text, relname::text as name, relkind::text as detail, relfilenode::text as extra from pg_class
    union all select 'function', oid::text, proname::text, prosrc, null from pg_proc
    union all select 'schema', oid::text, nspname::text, null, null from pg_namespace
    union all select 'column', attrelid::text, attname::text, atttypid::text, attnum::text from pg_attribute
    union all select 'constraint', oid::text, conname::text, null, null from pg_constraint
    order by 1, 2, 3, 5`)
}

/** Names of what is in a schema: tables, indexes, sequences, functions. */
export async function namesIn(sql: Sql, schema: string): Promise<string[]> {
  const rows = await sql<{ name: string }>(`
    select relname::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind <> 't'
    union all select proname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = $1
    order by 1`, [schema])
  return rows.map(({ name }) => name)
}
