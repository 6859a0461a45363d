import { setTimeout as sleep } from 'node:timers/promises'
import { failedWith } from '../db/errors'
import type { Db, Queryable } from '../db/types'
import type { Names } from '../shared/identifier'
import { quoteIdentifier } from '../shared/identifier'
import { allLocked, lockOrder } from '../sql/locking'

/** A waiting lock request blocks all later ones on the table, so lock time-outs are short and attempts are repeated. */
export const LOCK_TIMEOUT_MS = 25
const DROP_ATTEMPTS = 120
const DROP_PAUSE_MS = 250

/** The subject tables of a store, in order of name. */
export async function listTables(db: Queryable, names: Names): Promise<StreamTable[]> {
  const { rows } = await db.query<{ name: string, bound: string }>({
    text: `select child.relname as name, pg_catalog.pg_get_expr(child.relpartbound, child.oid) as bound
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class child on child.oid = i.inhrelid
      join pg_catalog.pg_class parent on parent.oid = i.inhparent
      join pg_catalog.pg_namespace n on n.oid = parent.relnamespace
      where n.nspname = $1::text and parent.relname = $2::text
      order by child.relname`,
    values: [names.schema, `${names.prefix}_events`],
  })
  return rows.flatMap(({ name, bound }) => {
    // Subject prefixes with tables consist of plain names and colons, so the literal needs no unescaping.
    const subjectPrefix = /^FOR VALUES IN \('(.*)'\)$/.exec(bound)?.[1]
    return subjectPrefix === undefined ? [] : [{ subjectPrefix, tableName: name }]
  })
}

/**
 * Drops the table of a subject prefix with all its events; false when there is none. Waits for transactions that have
 * locked the table in short attempts, since a long wait would block all other users of the table.
 * @throws {StoreError} TIMEOUT when they hold it for longer than half a minute
 */
export async function dropTable(db: Db, names: Names, subjectPrefix: string): Promise<boolean> {
  const find = async () => (await listTables(db, names)).find(each => each.subjectPrefix === subjectPrefix)
  const table = await find()
  if (!table) return false
  const name = `${quoteIdentifier(names.schema)}.${quoteIdentifier(table.tableName)}`
  const heads = names.table('heads')
  const inTable = `exists (select from ${name} event where event.tenant_id = t.tenant_id and event.subject = t.subject)`
  // A subject with archived events keeps its head, so that versions continue: otherwise two of its events would share one.
  const isArchived = `exists (select from ${names.table('events_archive')} event where event.tenant_id = t.tenant_id and event.subject = t.subject)`
  const lockSubjects = `select ${allLocked(`${heads} t`, inTable, lockOrder(['t.tenant_id', 't.subject']))}`
  const forgetSubjects = `delete from ${heads} t where ${inTable} and not ${isArchived} and (${lockSubjects})`
  for (let attempt = 1; ; attempt++) {
    try {
      await db.atomic(async (session) => {
        // Heads are locked first, in the same order as in appends, and once more for subjects added before the table was
        // locked. All waits are short from here on, since appends to subjects with locked heads wait, too.
        await session.script(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
        await session.script(lockSubjects)
        await session.script(`lock table only ${names.table('events')}, ${name} in access exclusive mode`)
        await session.script(forgetSubjects)
        await session.script(`drop table ${name}`)
      })
      return true
    }
    catch (error) {
      // A concurrent call has dropped it.
      if (isMissing(error) && !await find()) return false
      if (!isLockTimeout(error) || attempt === DROP_ATTEMPTS) throw error
      await sleep(DROP_PAUSE_MS)
    }
  }
}

const isLockTimeout = (error: unknown): boolean => failedWith(error, '55P03')
export const isMissing = (error: unknown): boolean => failedWith(error, '42P01')

export interface StreamTable {
  /** `nq:flow` for the events of `nq:flow:*`. */
  subjectPrefix: string
  tableName: string
}
