import { columnNamed } from '../shared/identifier'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { millisecondsSql } from '../sql/clock'
import { statementFor } from '../sql/template'
import { likeOf } from '../sql/like'
import { listNames } from '../sql/listing'
import type { Listing } from '../sql/listing'
import { allLocked, inputsLocked, lockOrder } from '../sql/locking'
import type { InputColumn } from '../sql/rows'
import { lookUp, sameAsInput } from '../sql/rows'

// Not now(), which does not advance within a transaction: a key can expire during it.
const LIVE = '(expires_at is null or expires_at > pg_catalog.statement_timestamp())'

export interface SetInput {
  key: string
  json: string
  ttlSeconds: number | null
}

export interface ValueIncrement {
  key: string
  by: number
}

const keyColumns: InputColumn<string>[] = [{ ...columnNamed('key'), cast: 'text', of: key => key }]

export function getValues(context: StatementContext, keys: string[]): Statement {
  return statementFor(context, 'kv get', keys, () => ({
    columns: keyColumns,
    sql: rows => lookUp(rows, `
select value::text as value from ${context.names.table('kv')}
where tenant_id = $1::text and key = ${rows.ref('key')} and ${LIVE} limit 1`),
  }))
}

const setColumns: InputColumn<SetInput>[] = [
  { ...columnNamed('key'), cast: 'text', of: input => input.key },
  { ...columnNamed('value'), cast: 'jsonb', required: true, of: input => input.json },
  { ...columnNamed('ttl'), cast: 'double precision', of: input => input.ttlSeconds },
]

export function setValues(context: StatementContext, inputs: SetInput[]): Statement {
  return statementFor(context, 'kv set', inputs, () => ({
    columns: setColumns,
    sql: rows => `
insert into ${context.names.table('kv')} (tenant_id, key, value, expires_at)
select $1::text, ${rows.ref('key')}, ${rows.ref('value')}, pg_catalog.statement_timestamp() + ${rows.ref('ttl')} * interval '1 second'${rows.from}
${rows.from && lockOrder(['key'])}
on conflict (tenant_id, key) do update
  set value = excluded.value, expires_at = excluded.expires_at, updated_at = pg_catalog.statement_timestamp()`,
  }))
}

export function deleteValues(context: StatementContext, keys: string[]): Statement {
  return statementFor(context, 'kv delete', keys, () => ({
    columns: keyColumns,
    sql: (rows) => {
      const table = context.names.table('kv')
      return `
delete from ${table} kv${inputsLocked('using', table, keyColumns, rows)}
where ${sameAsInput(keyColumns, rows, 'kv.')}`
    },
  }))
}

const incrementColumns: InputColumn<ValueIncrement>[] = [
  { ...columnNamed('key'), cast: 'text', of: input => input.key },
  { ...columnNamed('by'), cast: 'double precision', of: input => input.by },
]

/** Increments numbers. A key that is absent or expired starts at 0; a key with another kind of value matches no row. */
export function incrementValues(context: StatementContext, inputs: ValueIncrement[]): Statement {
  const dead = 'kv.expires_at <= pg_catalog.statement_timestamp()'
  return statementFor(context, 'kv increment', inputs, () => ({
    columns: incrementColumns,
    sql: rows => `
insert into ${context.names.table('kv')} as kv (tenant_id, key, value)
select $1::text, ${rows.ref('key')}, pg_catalog.to_jsonb(${rows.ref('by')})${rows.from}
${rows.from && lockOrder(['key'])}
on conflict (tenant_id, key) do update set
  value = case when ${dead} then excluded.value
    else pg_catalog.to_jsonb((kv.value #>> '{}'::text[])::double precision + (excluded.value #>> '{}'::text[])::double precision) end,
  expires_at = case when ${dead} then null else kv.expires_at end,
  updated_at = pg_catalog.statement_timestamp()
where ${dead} or pg_catalog.jsonb_typeof(kv.value) = 'number'
returning key, (value #>> '{}'::text[])::double precision as value`,
  }))
}

/** Keys that have not expired, in order. */
export const listKeys = (context: StatementContext, listing: Listing): Statement =>
  listNames(context, { table: 'kv', name: 'key', columns: `${millisecondsSql('expires_at')} as expires_at`, condition: LIVE }, listing)

/** Deletes matching keys and counts those that had not expired. With the bounds, the primary key serves a literal prefix. */
export function clearValues(context: StatementContext, glob: string): Statement {
  const { pattern, from, to } = likeOf(glob)
  const table = context.names.table('kv')
  const meant = `tenant_id = $1::text and key >= $2::text and ($3::text is null or key < $3::text)
    and key like $4::text escape '\\'`
  return {
    ...context.cache.compile('kv clear', () => `
with gone as (
  delete from ${table}
  where ${meant}
    and ${allLocked(`${table} t`, meant, lockOrder(['key']))}
  returning ${LIVE} as live
)
select pg_catalog.count(*) filter (where live) as count from gone`),
    values: [context.tenant, from, to, pattern],
  }
}

/** Deletes a limited number of expired keys. Rows that another instance has locked are skipped. */
export function sweepValues(context: StatementContext, limit: number): Statement {
  const table = context.names.table('kv')
  return {
    ...context.cache.compile('kv sweep', () => `
delete from ${table} where ctid = any(array(
  select ctid from ${table} where expires_at <= pg_catalog.statement_timestamp()
  order by expires_at limit $1::bigint for update skip locked
))`),
    values: [limit],
  }
}
