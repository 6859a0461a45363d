import type { Db, Queryable, Session } from '../db/types'
import { sqlStateOf } from '../db/errors'
import type { Logger } from '../options'
import type { Route } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Names } from '../sql/identifier'
import { quoteIdentifier } from '../sql/identifier'

export interface StreamTable {
  /** `nq:flow` for the events of `nq:flow:*`. */
  subjectPrefix: string
  tableName: string
}

/** Which table the events of a generic subject are in; tables are made at the first append of a subject prefix. */
export interface StreamTables {
  /** Runs a statement on the table of a route, and once more when that table has gone meanwhile. */
  on<T>(session: Session, route: Route<StreamSpec>, use: 'read' | 'append', run: (table: string) => Promise<T>): Promise<T>
  /** Makes the tables that appends inside transactions would have liked to have. */
  afterTransaction(): Promise<void>
}

const UNDEFINED_TABLE = '42P01'
// The table was made anew for another subject prefix.
const CHECK_VIOLATION = '23514'
const LOCK_TIMEOUT_MS = 2_000
// Events that came before their table and are moved into it; more of them stay where they are.
const MAX_MOVED = 10_000
const MAX_NAME_BYTES = 63

export async function createStreamTables(
  db: Db, names: Names, options: { create: boolean, max: number, logger: Logger },
): Promise<StreamTables> {
  const known = new Map((await listTables(db, names)).map(table => [table.subjectPrefix, table.tableName]))
  const making = new Map<string, Promise<void>>()
  const wanted = new Set<string>()
  const qualified = (table: string) => `${quoteIdentifier(names.schema)}.${quoteIdentifier(table)}`

  async function make(subjectPrefix: string): Promise<void> {
    try {
      const table = await db.atomic(session => makeTable(session, names, subjectPrefix, options.max))
      if (table !== undefined) known.set(subjectPrefix, table)
    }
    catch (error) {
      // No right to create tables, or a transaction that would not let go: the default partition serves as well.
      options.logger.warn(`events of ${subjectPrefix}:* stay in ${names.table('events_default')}: ${String(error)}`)
    }
  }

  async function ensure(subjectPrefix: string): Promise<void> {
    if (known.has(subjectPrefix)) return
    let pending = making.get(subjectPrefix)
    // A prefix that got no table is remembered, too: it is not tried again by this process.
    if (!pending && known.size < options.max) making.set(subjectPrefix, pending = make(subjectPrefix))
    await pending
  }

  async function tableOf(route: Route<StreamSpec>, session: Session, use: 'read' | 'append'): Promise<string> {
    const parent = names.table(route.spec.table)
    if (!route.spec.partition) return parent
    const subjectPrefix = route.keys[0]!
    if (session.inTransaction) {
      // The parent is always right, and a statement that fails here could not be repeated.
      if (use === 'append' && options.create && !known.has(subjectPrefix)) wanted.add(subjectPrefix)
      return parent
    }
    // Subjects without a type never get a table.
    if (subjectPrefix === '') return names.table('events_default')
    if (use === 'append' && options.create) await ensure(subjectPrefix)
    const table = known.get(subjectPrefix)
    return table === undefined ? parent : qualified(table)
  }

  return {
    async on(session, route, use, run) {
      const table = await tableOf(route, session, use)
      try {
        return await run(table)
      }
      catch (error) {
        const state = sqlStateOf(error)
        if (session.inTransaction || !route.spec.partition || (state !== UNDEFINED_TABLE && state !== CHECK_VIOLATION)) throw error
        known.delete(route.keys[0]!)
        making.delete(route.keys[0]!)
        return run(await tableOf(route, session, use))
      }
    },
    async afterTransaction() {
      const prefixes = [...wanted].filter(subjectPrefix => subjectPrefix !== '')
      wanted.clear()
      for (const subjectPrefix of prefixes) await ensure(subjectPrefix)
    },
  }
}

/** The subject tables of a store, in order of name. */
export async function listTables(db: Queryable, names: Names): Promise<StreamTable[]> {
  const { rows } = await db.query<{ name: string, bound: string }>({
    text: `select child.relname as name, pg_get_expr(child.relpartbound, child.oid) as bound
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

/** Makes the table of a subject prefix, and moves events into it that came before. Undefined when it gets none. */
async function makeTable(session: Session, names: Names, subjectPrefix: string, max: number): Promise<string | undefined> {
  await session.script(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
  const [parent, rest] = [names.table('events'), names.table('events_default')]
  // Whoever inserts through the parent has chosen a partition by the time it waits for the lock of that partition:
  // it has to wait at the parent, where it chooses again.
  await session.script(`lock table only ${parent} in access exclusive mode`)
  await session.script(`lock table ${rest} in access exclusive mode`)
  const tables = await listTables(session, names)
  const existing = tables.find(table => table.subjectPrefix === subjectPrefix)
  if (existing) return existing.tableName
  if (tables.length >= max) return undefined
  const name = await freeName(session, names, subjectPrefix)
  if (name === undefined) return undefined
  const { rows: earlier } = await session.query({
    text: `select 1 from ${rest} where subject_prefix = $1::text limit ${MAX_MOVED + 1}`, values: [subjectPrefix],
  })
  if (earlier.length > MAX_MOVED) return undefined

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
  return name
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
