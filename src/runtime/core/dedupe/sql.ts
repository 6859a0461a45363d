import { columnNamed } from '../shared/identifier'
import { storeLockKey } from '../shared/advisoryLock'
import { CLOCK, clockIn } from '../sql/clock'
import { inputsLocked, lockOrder } from '../sql/locking'
import type { InputColumn } from '../sql/rows'
import { lookUp, sameAsInput } from '../sql/rows'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { statementFor } from '../sql/template'

// As for kv: not now(), which does not advance within a transaction.
const NOW = 'pg_catalog.statement_timestamp()'

export interface TakenKey {
  key: string
  ttlMs: number
}

const keyColumns: InputColumn<string>[] = [{ ...columnNamed('key'), cast: 'text', of: key => key }]

const takenColumns: InputColumn<TakenKey>[] = [
  { ...columnNamed('key'), cast: 'text', of: ({ key }) => key },
  { ...columnNamed('ttl'), cast: 'double precision', of: ({ ttlMs }) => ttlMs },
]

const takenFrom = (parameter: string) => `${NOW} + ${parameter} * interval '1 millisecond'`

/**
 * Takes keys that are free; returns those that it took. A key that is taken is found first and not written to. The
 * subquery looks each key up by itself: a join would read a table that has no statistics yet from one end to the other.
 */
export function claimKeys(context: StatementContext, inputs: TakenKey[]): Statement {
  return statementFor(context, 'dedupe claim', inputs, () => ({
    columns: takenColumns,
    sql: (rows) => {
      const table = context.names.table('dedupe')
      return `
insert into ${table} as d (tenant_id, key, expires_at)
select $1::text, ${rows.ref('key')}, ${takenFrom(rows.ref('ttl'))}${rows.from}
where (select 1 from ${table} t where t.tenant_id = $1::text and t.key = ${rows.ref('key')} and t.expires_at > ${NOW} limit 1) is null
${rows.from && lockOrder(['key'])}
on conflict (tenant_id, key) do update set expires_at = excluded.expires_at, result = null
where d.expires_at <= ${NOW}
returning key`
    },
  }))
}

/** Takes keys whether or not they are taken. A result stays for as long as its key is not free. */
export function markKeys(context: StatementContext, inputs: TakenKey[]): Statement {
  return statementFor(context, 'dedupe mark', inputs, () => ({
    columns: takenColumns,
    sql: rows => `
insert into ${context.names.table('dedupe')} as d (tenant_id, key, expires_at)
select $1::text, ${rows.ref('key')}, ${takenFrom(rows.ref('ttl'))}${rows.from}
${rows.from && lockOrder(['key'])}
on conflict (tenant_id, key) do update set
  expires_at = excluded.expires_at, result = case when d.expires_at > ${NOW} then d.result end`,
  }))
}

export function releaseKeys(context: StatementContext, keys: string[]): Statement {
  return statementFor(context, 'dedupe release', keys, () => ({
    columns: keyColumns,
    sql: (rows) => {
      const table = context.names.table('dedupe')
      return `
delete from ${table} d${inputsLocked('using', table, keyColumns, rows)}
where ${sameAsInput(keyColumns, rows, 'd.')}`
    },
  }))
}

/** Keys that are taken, with the result that is kept for them. No row: the key is free. */
export function readKeys(context: StatementContext, keys: string[]): Statement {
  return statementFor(context, 'dedupe read', keys, () => ({
    columns: keyColumns,
    sql: rows => lookUp(rows, `
select result::text as result from ${context.names.table('dedupe')}
where tenant_id = $1::text and key = ${rows.ref('key')} and expires_at > ${NOW} limit 1`),
  }))
}

/** Keeps a result at the end of the work. No row: the key was taken meanwhile, by a call that keeps no result. */
export function keepResult(context: StatementContext, { key, ttlMs }: TakenKey, json: string): Statement {
  return {
    ...context.cache.compile('dedupe keep', () => `
insert into ${context.names.table('dedupe')} as d (tenant_id, key, expires_at, result)
values ($1::text, $2::text, ${clockIn('$3')}, $4::jsonb)
on conflict (tenant_id, key) do update set expires_at = excluded.expires_at, result = excluded.result
where d.expires_at <= ${CLOCK}
returning key`),
    values: [context.tenant, key, ttlMs, json],
  }
}

/**
 * Locks the work of a key until the transaction ends. A statement of its own: the next one sees what the transaction that
 * had the lock before has committed.
 */
export function lockWork(context: StatementContext, key: string): Statement {
  return { ...context.cache.compile('dedupe lock', () => 'select pg_catalog.pg_advisory_xact_lock($1::bigint)'), values: [workLock(context, key)] }
}

/** The same without waiting: `mine` says whether it was free. */
export function tryLockWork(context: StatementContext, key: string): Statement {
  return {
    ...context.cache.compile('dedupe try', () => 'select pg_catalog.pg_try_advisory_xact_lock($1::bigint) as mine'), values: [workLock(context, key)],
  }
}

const workLock = ({ names, tenant }: StatementContext, key: string): string => storeLockKey(names, `dedupe ${JSON.stringify([tenant, key])}`)

/**
 * Deletes the expired keys in some pages of the table, of all tenants. Rows that another transaction has locked are left
 * for the next time. `pages`: how many the table has.
 */
export function sweepKeys({ cache, names }: StatementContext, from: number, pages: number): Statement {
  const table = names.table('dedupe')
  return {
    ...cache.compile('dedupe sweep', () => `
with gone as (
  delete from ${table} where ctid = any(array(
    select ctid from ${table} where ctid >= $1::tid and ctid < $2::tid and expires_at <= ${NOW} for update skip locked
  )) returning 1
)
select (select pg_catalog.count(*) from gone)::int as removed,
  (pg_catalog.pg_relation_size(${names.literal('dedupe')}::regclass) / pg_catalog.current_setting('block_size')::bigint)::int as pages`),
    values: [`(${from},0)`, `(${from + pages},0)`],
  }
}
