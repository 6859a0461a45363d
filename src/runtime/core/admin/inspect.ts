import { checkText } from '../shared/checks'
import type { Queryable, Row } from '../db/types'
import type { Names } from '../shared/identifier'
import { likeOf } from '../sql/like'

export interface Listing {
  /** `*` any run, `?` one character. */
  glob: string
  /** The last name of the page before. */
  after?: string
  limit: number
}

export interface SubjectInfo extends Row {
  subject: string
  /** Version of its newest event; those that were deleted since are counted. */
  version: number
  /** When the newest event came, in milliseconds. */
  lastTs: number
}

export interface KeyInfo extends Row {
  key: string
  /** JSON text. */
  value: string
  /** ISO time; null when it does not expire. */
  expiresAt: string | null
}

export interface TableSize extends Row {
  tableName: string
  /** Counted: the server's estimate is -1 before it has analyzed a table, and old afterwards. */
  rows: number
  bytes: number
}

/** Subjects that have had events, in order of name. */
export async function listSubjects(db: Queryable, names: Names, listing: Listing): Promise<SubjectInfo[]> {
  const { rows } = await db.query<SubjectInfo>({
    text: `select subject, version::double precision as version, last_ts::double precision as "lastTs" from ${names.table('heads')}
      where tenant_id = '' and ${matches('subject')} order by subject limit $5::bigint`,
    values: valuesOf(listing),
  })
  return rows
}

/** Keys that are alive, in order of name. */
export async function listKeys(db: Queryable, names: Names, listing: Listing): Promise<KeyInfo[]> {
  const { rows } = await db.query<KeyInfo>({
    text: `${selectKeys(names)} and ${matches('key')} order by key limit $5::bigint`,
    values: valuesOf(listing),
  })
  return rows
}

/** A key that is alive; undefined when there is none, which a stored null is not. */
export async function findKey(db: Queryable, names: Names, key: string): Promise<KeyInfo | undefined> {
  const { rows: [row] } = await db.query<KeyInfo>({ text: `${selectKeys(names)} and key = $1::text`, values: [key] })
  return row
}

/** How large the tables of generic streams are, the default partition among them. */
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

const selectKeys = (names: Names): string =>
  `select key, value, pg_catalog.to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "expiresAt" from ${names.table('kv')}
    where tenant_id = '' and (expires_at is null or expires_at > pg_catalog.statement_timestamp())`

const matches = (column: string): string =>
  `${column} like $1::text escape '\\' and ${column} >= $2::text and ($3::text is null or ${column} < $3::text) and ${column} > $4::text`

function valuesOf({ glob, after = '', limit }: Listing): unknown[] {
  const { pattern, from, to } = likeOf(checkText('glob', glob))
  return [pattern, from, to, after, limit]
}
