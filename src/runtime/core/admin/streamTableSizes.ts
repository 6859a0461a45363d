import type { Queryable, Row } from '../db/types'
import type { Names } from '../shared/identifier'

export interface TableSize extends Row {
  tableName: string
  /** Counted exactly: the server's estimate is -1 before the first ANALYZE, and outdated afterwards. */
  rows: number
  bytes: number
}

/** Sizes of the tables of generic streams, including the default partition. */
export async function streamTableSizes(db: Queryable, names: Names): Promise<TableSize[]> {
  const { rows } = await db.query<TableSize>({
    text: `select child.relname::text as "tableName", coalesce(counted.rows, 0::double precision) as rows,
        pg_catalog.pg_total_relation_size(child.oid)::double precision as bytes
      from pg_catalog.pg_inherits i join pg_catalog.pg_class child on child.oid = i.inhrelid
      left join (select tableoid, pg_catalog.count(*)::double precision as rows from ${names.table('events')} group by tableoid) counted
        on counted.tableoid = child.oid
      where i.inhparent = pg_catalog.to_regclass($1::text)::oid order by child.relname::text collate "C"`,
    values: [names.table('events')],
  })
  return rows
}
