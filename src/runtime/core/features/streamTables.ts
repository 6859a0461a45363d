import type { Db, Queryable, Session, StreamTables } from '../db/types'
import { messageOf } from '../errors'
import type { Logger } from '../options'
import type { Names } from '../sql/identifier'
import { quoteIdentifier } from '../sql/identifier'
import type { StreamTable } from '../types/index'

const LOCK_TIMEOUT_MS = 2_000
// Events that came before their table and are moved into it; more of them stay where they are.
const MAX_MOVED = 10_000
const MAX_NAME_BYTES = 63

/**
 * Makes the table of a subject prefix when the first of its events has landed in the default partition. Statements
 * go through the parent, which is always right: tables may be dropped, detached or made by others at any time.
 */
export function createStreamTables(db: Db, names: Names, options: { create: boolean, max: number, logger: Logger }): StreamTables {
  const making = new Map<string, Promise<void>>()
  // Not tried again by this process: the cap is reached, or there is no right to make tables.
  const refused = new Set<string>()
  const wanted = new Set<string>()

  async function make(subjectPrefix: string): Promise<void> {
    try {
      if (!await db.atomic(session => makeTable(session, names, subjectPrefix, options.max))) refused.add(subjectPrefix)
    }
    catch (error) {
      refused.add(subjectPrefix)
      options.logger.warn(`events of ${subjectPrefix}:* stay in ${names.table('events_default')}: ${messageOf(error)}`)
    }
    finally {
      making.delete(subjectPrefix)
    }
  }

  async function place(session: Session, subjectPrefix: string): Promise<void> {
    if (!options.create || subjectPrefix === '' || refused.has(subjectPrefix)) return
    if (session.inTransaction) return void wanted.add(subjectPrefix)
    let pending = making.get(subjectPrefix)
    if (!pending) making.set(subjectPrefix, pending = make(subjectPrefix))
    await pending
  }

  return {
    place,
    async afterTransaction() {
      const prefixes = [...wanted]
      wanted.clear()
      for (const subjectPrefix of prefixes) await place(db, subjectPrefix)
    },
  }
}

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
    // Subject prefixes that have tables are plain words and colons, so the literal needs no unquoting.
    const subjectPrefix = /^FOR VALUES IN \('(.*)'\)$/.exec(bound)?.[1]
    return subjectPrefix === undefined ? [] : [{ subjectPrefix, tableName: name }]
  })
}

/** Drops the table of a subject prefix with all its events; false when there is none. */
export async function dropTable(db: Db, names: Names, subjectPrefix: string): Promise<boolean> {
  const table = (await listTables(db, names)).find(each => each.subjectPrefix === subjectPrefix)
  if (!table) return false
  const name = `${quoteIdentifier(names.schema)}.${quoteIdentifier(table.tableName)}`
  const forgetSubjects = `delete from ${names.table('heads')} head
    using (select distinct tenant_id, subject from ${name}) gone
    where head.tenant_id = gone.tenant_id and head.subject = gone.subject`
  await db.atomic(async (session) => {
    // Heads first, as appends take them first; then those that came before the table was locked.
    await session.script(forgetSubjects)
    await session.script(`lock table ${name} in access exclusive mode`)
    await session.script(forgetSubjects)
    await session.script(`drop table ${name}`)
  })
  return true
}

/** Makes the table of a subject prefix, and moves events into it that came before. False when it gets none. */
async function makeTable(session: Session, names: Names, subjectPrefix: string, max: number): Promise<boolean> {
  await session.script(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
  const [parent, rest] = [names.table('events'), names.table('events_default')]
  // Whoever inserts through the parent has chosen a partition by the time it waits for the lock of that partition:
  // it has to wait at the parent, where it chooses again.
  await session.script(`lock table only ${parent} in access exclusive mode`)
  await session.script(`lock table ${rest} in access exclusive mode`)
  const tables = await listTables(session, names)
  if (tables.some(table => table.subjectPrefix === subjectPrefix)) return true
  const name = tables.length < max ? await freeName(session, names, subjectPrefix) : undefined
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
  // The subject prefix holds nothing but words and colons (subjectPrefixOf), so it is safe as a literal.
  await session.script(`alter table ${parent} attach partition ${table} for values in ('${subjectPrefix}')`)
  return true
}

/** `{prefix}_stream_{type}`, or with the whole subject prefix when another one has that type. */
async function freeName(session: Queryable, names: Names, subjectPrefix: string): Promise<string | undefined> {
  const type = subjectPrefix.split(':').at(-1)!
  for (const suffix of [type, subjectPrefix.replaceAll(':', '_')]) {
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
