import type { Db, Queryable, Session, StreamTables } from '../db/types'
import { createBackoff } from '../shared/backoff'
import { isStoreError, messageOf } from '../shared/errors'
import type { Logger } from '../shared/types'
import type { Names } from '../shared/identifier'
import { quoteIdentifier, quoteLiteral } from '../shared/identifier'
import { unref } from '../shared/timer'
import { LOCK_TIMEOUT_MS, listTables } from './subjectTables'
import { storeLockKey } from '../shared/advisoryLock'

// A waiting lock request blocks all later ones on the table. All waits together stay below 100 ms.
const MAKERS_TIMEOUT_MS = 40
const FIRST_RETRY_MS = 50
// Maximum number of tables created under one lock.
const MAX_AT_ONCE = 4
const MAX_RETRY_MS = 60_000
// Earlier events of a subject prefix are searched in the default partition and moved into the new table while both are
// locked. With more events, or a larger partition, no table is created and they stay where they are.
const MAX_MOVED = 2_000
const MAX_DEFAULT_BYTES = 32 << 20
// How long a store that has reached the maximum number of tables waits before it counts them again.
const FULL_MS = 60_000
// Subject prefixes may come from user input.
const MAX_REFUSED = 1_000
const MAX_NAME_BYTES = 63

/** Result for one subject prefix: its table exists, can't be created, or the maximum number of tables is reached. */
type Outcome = 'made' | 'impossible' | 'full'

/**
 * Creates the table of a subject prefix when its first event has been stored in the default partition. Statements always
 * use the parent table, so that tables may be dropped, detached or created by other processes at any time. The first
 * append waits for one short attempt. When that fails because a transaction has locked the parent (a dump, a long
 * report), it is retried in the background.
 */
export function createStreamTables(db: Db, names: Names, options: { create: boolean, max: number, logger: Logger }): StreamTables {
  // Requested by appends that wait for the attempt.
  const asked = new Map<string, Promise<void>>()
  const retried = new Set<string>()
  // Not retried by this process: the role may not create tables, there is no free name, or there are too many events to move.
  const refused = new Set<string>()
  const wanted = new Set<string>()
  let last: Promise<void> = Promise.resolve()
  let next: { subjectPrefixes: string[], made: Promise<void> } | undefined
  let timer: NodeJS.Timeout | undefined
  const backoff = createBackoff({ first: FIRST_RETRY_MS, max: MAX_RETRY_MS, jitter: [1, 1.5] })
  let fullUntil = 0
  let stopped = false

  /** Runs one attempt at a time, with all tables that were requested since the previous one. */
  function make(subjectPrefix: string): Promise<void> {
    if (!next || next.subjectPrefixes.length >= MAX_AT_ONCE) {
      const subjectPrefixes: string[] = []
      const made = last = last.then(() => {
        if (next?.subjectPrefixes === subjectPrefixes) next = undefined
        return attempt(subjectPrefixes)
      })
      next = { subjectPrefixes, made }
    }
    next.subjectPrefixes.push(subjectPrefix)
    return next.made
  }

  async function attempt(subjectPrefixes: string[]): Promise<void> {
    try {
      const outcomes = await db.atomic(session => makeTables(session, names, subjectPrefixes, options.max))
      for (const [subjectPrefix, outcome] of outcomes) {
        if (outcome === 'full') fullUntil = performance.now() + FULL_MS
        if (outcome === 'impossible') refuse(subjectPrefix)
        retried.delete(subjectPrefix)
      }
      backoff.reset()
    }
    catch (error) {
      if (isStoreError(error) && error.retryable) return retryLater(subjectPrefixes)
      for (const subjectPrefix of subjectPrefixes) {
        retried.delete(subjectPrefix)
        refuse(subjectPrefix)
        options.logger.warn(`events of ${subjectPrefix}:* stay in ${names.table('events_default')}: ${messageOf(error)}`)
      }
    }
  }

  function refuse(subjectPrefix: string): void {
    if (refused.size >= MAX_REFUSED) refused.clear()
    refused.add(subjectPrefix)
  }

  function retryLater(subjectPrefixes: string[]): void {
    for (const subjectPrefix of subjectPrefixes) if (retried.size < options.max) retried.add(subjectPrefix)
    if (timer || stopped) return
    timer = setTimeout(() => {
      timer = undefined
      for (const subjectPrefix of retried) void make(subjectPrefix)
    }, backoff.next())
    unref(timer)
  }

  async function place(session: Session, subjectPrefix: string): Promise<void> {
    if (!options.create || stopped || subjectPrefix === '' || refused.has(subjectPrefix) || retried.has(subjectPrefix)) return
    if (performance.now() < fullUntil) return
    if (session.inTransaction) return void wanted.add(subjectPrefix)
    let made = asked.get(subjectPrefix)
    if (!made) asked.set(subjectPrefix, made = make(subjectPrefix).finally(() => asked.delete(subjectPrefix)))
    await made
  }

  return {
    place,
    async afterTransaction() {
      const prefixes = [...wanted]
      wanted.clear()
      await Promise.all(prefixes.map(subjectPrefix => place(db, subjectPrefix)))
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await last
    },
  }
}

/** Creates the tables of subject prefixes and moves earlier events into them. */
async function makeTables(session: Session, names: Names, subjectPrefixes: string[], max: number): Promise<Map<string, Outcome>> {
  // Serializes instances before any table is locked that appends and reads need.
  await session.script(`set local lock_timeout = ${MAKERS_TIMEOUT_MS}`)
  await session.query({ text: 'select pg_catalog.pg_advisory_xact_lock($1::bigint)', values: [storeLockKey(names, 'stream tables')] })
  const there = new Set((await listTables(session, names)).map(table => table.subjectPrefix))
  const outcomes = new Map(subjectPrefixes.map(subjectPrefix => [subjectPrefix, there.has(subjectPrefix) ? 'made' as Outcome : 'full']))
  const missing = subjectPrefixes.filter(subjectPrefix => !there.has(subjectPrefix)).slice(0, Math.max(max - there.size, 0))
  if (missing.length === 0) return outcomes

  const [parent, rest] = [names.table('events'), names.table('events_default')]
  await session.script(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
  // An insert that waits for the lock of a partition has already chosen it. The parent is locked as well, so that inserts
  // wait there and choose their partition afterwards.
  await session.script(`lock table only ${parent}, ${rest} in access exclusive mode`)
  const { rows: [size] } = await session.query<{ bytes: string }>({
    text: 'select pg_catalog.pg_relation_size($1::regclass) as bytes', values: [rest],
  })
  for (const subjectPrefix of missing) {
    const isMade = Number(size!.bytes) <= MAX_DEFAULT_BYTES && await makeTable(session, names, subjectPrefix)
    outcomes.set(subjectPrefix, isMade ? 'made' : 'impossible')
  }
  return outcomes
}

/** Creates one table. False when there is no free name for it, or there are too many events to move. */
async function makeTable(session: Session, names: Names, subjectPrefix: string): Promise<boolean> {
  const [parent, rest] = [names.table('events'), names.table('events_default')]
  const name = await freeName(session, names, subjectPrefix)
  if (name === undefined) return false
  const { rows: earlier } = await session.query({
    text: `select 1 from ${rest} where subject_prefix = $1::text limit ${MAX_MOVED + 1}`, values: [subjectPrefix],
  })
  if (earlier.length > MAX_MOVED) return false

  const table = `${quoteIdentifier(names.schema)}.${quoteIdentifier(name)}`
  await session.script(`create table ${table} (like ${parent} including defaults, primary key (tenant_id, id))`)
  if (earlier.length > 0) {
    await session.query({
      text: `with moved as (delete from ${rest} where subject_prefix = $1::text returning *) insert into ${table} select * from moved`,
      values: [subjectPrefix],
    })
  }
  await session.script(`alter table ${parent} attach partition ${table} for values in (${quoteLiteral(subjectPrefix)})`)
  return true
}

/** `{prefix}_stream_{type}`, or with the whole subject prefix when that name is taken; undefined when both are, or are too long. */
async function freeName(session: Queryable, names: Names, subjectPrefix: string): Promise<string | undefined> {
  const type = subjectPrefix.split(':').at(-1)!
  for (const suffix of [type, subjectPrefix.split(':').join('_')]) {
    const name = `${names.prefix}_stream_${suffix}`
    const { rows } = await session.query({
      text: `select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1::text and c.relname = $2::text`,
      values: [names.schema, name],
    })
    if (rows.length === 0 && Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  }
  return undefined
}
