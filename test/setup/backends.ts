import type { StoreOptions } from '../../src/runtime/core/options/types'
import type { Store } from '../../src/runtime/core/types'
import type { Opened, Openers } from '../contract/suite'
import { freshDatabase, hasServer, openStore } from './database'
import { freshEmbedded, migratedEmbedded } from './embedded'
import { hostileTemplate, onHostilePath } from './hostile'
import type { Database, DatabaseOptions, Row, ServerName } from './database'

export interface Backend extends Openers {
  name: string
  /** False where its server is missing; then its tests are skipped. */
  available(): boolean
}

const throughStore = (store: Store): Opened['sql'] => async <R extends Row>(text: string, values: unknown[] = []) =>
  (await store.transaction(tx => tx.query<R>(text, values))).rows

export const pgliteInMemory: Backend = {
  name: 'PGlite in memory',
  available: () => true,
  async open(options) {
    const store = openStore({ connection: 'pglite://memory', ...options })
    return { store, sql: throughStore(store) }
  },
}

// What decides which schema a store makes.
const NAMES = ['schema', 'prefix', 'autoMigrate', 'adoptFrom'] as const
const namesSchema = (options?: StoreOptions) => NAMES.some(name => options?.[name] !== undefined)

function embeddedOn(connection: string, options?: StoreOptions): Opened {
  const store = openStore({ connection, ...options })
  return { store, sql: throughStore(store), reopen: more => store.close().then(() => embeddedOn(connection, more)) }
}

export const pglite: Backend = {
  name: 'PGlite in a directory',
  available: () => true,
  async open(options) {
    return embeddedOn(namesSchema(options) ? await freshEmbedded() : await migratedEmbedded(), options)
  },
}

interface ServerBackendOptions extends Omit<DatabaseOptions, 'template'> {
  /** Makes the database that each one is a copy of. */
  template?: (server: ServerName) => Promise<string>
  store?: StoreOptions
  /** What the store's URL is made of the server's, when something stands between them. */
  through?: (url: string) => string
}

export function onServer(name: string, server: ServerName, { store: own, through = url => url, template, ...database }: ServerBackendOptions = {}): Backend {
  const create = (template?: string) => freshDatabase(server, { ...database, ...template !== undefined && { template } })
  const empty = async () => create(await template?.(server))

  let migrated: Promise<string> | undefined
  /** Made once a test file: to migrate takes longer than to copy. */
  async function migratedTemplate(): Promise<string> {
    const { name, url, pool } = await empty()
    const store = openStore({ connection: url, ...own })
    await store.ready()
    await store.close()
    await pool.end()
    return name
  }

  function storeOn(on: Database, options?: StoreOptions): Opened {
    const { url, sql, pool } = on
    const store = openStore({ connection: through(url), ...own, ...options })
    return {
      store, sql, pool, subjectPrefix: own?.subjectPrefix, batching: own?.batching,
      reopen: more => store.close().then(() => storeOn(on, more)),
    }
  }

  return {
    name,
    available: () => hasServer(server),
    open: async options => storeOn(await empty(), options),
    openMore: async options => storeOn(namesSchema(options) ? await empty() : await create(await (migrated ??= migratedTemplate())), options),
  }
}

export const postgres18 = onServer('PostgreSQL 18', 'pg18')
export const unbatched = onServer('PostgreSQL 18 without batching', 'pg18', { store: { batching: false } })
export const postgres15 = onServer('PostgreSQL 15', 'pg15')

/** Names that need quotes everywhere, and a database with settings of its own. */
const awkward = {
  name: 'My "data" base 100%s é',
  settings: {
    timezone: 'Asia/Kathmandu',
    datestyle: 'ISO, DMY',
    intervalstyle: 'sql_standard',
    search_path: 'nowhere',
    bytea_output: 'escape',
  },
  store: { schema: 'My "Schema"', prefix: 'nq-Test', subjectPrefix: 'my.app*' },
}
export const awkwardNames = onServer('PostgreSQL 18 with awkward names', 'pg18', awkward)

/** The same on a search path where functions and operators of somebody else fit better than the server's own. */
export const awkwardAndHostile = onServer('PostgreSQL 18 with awkward names and a hostile search path', 'pg18', {
  ...awkward, template: hostileTemplate, through: onHostilePath,
})

/** The same where a store finds its schema: to copy it is quicker than to make it. */
const migrated = (backend: Backend): Backend => ({ ...backend, open: backend.openMore ?? backend.open })

export const backends: Backend[] = [pglite, postgres18, postgres15, awkwardNames].map(migrated)

let shared: Promise<{ connection: string, sql: Opened['sql'] }> | undefined

/** One embedded database for a test file, emptied for each test: to start one takes a second. */
export const pgliteEmptied: Backend = {
  ...pglite,
  async open(options) {
    if (namesSchema(options)) return pglite.open(options)
    const { connection, sql } = await (shared ??= keptOpen())
    const tables = await sql<{ name: string, made: boolean }>(
      `select format('%I', tablename) as name, starts_with(tablename, 'nvent_stream_') as made from pg_tables
       where schemaname = 'public' and starts_with(tablename, 'nvent_') and tablename <> 'nvent_schema_version'`)
    const listed = (isMade: boolean) => tables.filter(({ made }) => made === isMade).map(({ name }) => name).join(', ')
    // Those of subject types are made by what is appended.
    if (listed(true)) await sql(`drop table ${listed(true)}`)
    await sql(`truncate ${listed(false)}`)
    return embeddedOn(connection, options)
  },
}

/** Stores on one directory share its database, which lives as long as one of them. */
async function keptOpen() {
  const connection = await migratedEmbedded()
  return { connection, sql: throughStore(openStore({ connection })) }
}

const older = hasServer('pg15') ? 'pg15' : 'pg18'

/**
 * The embedded database and one server, both migrated, for what no version changes: the older one, which can do less,
 * on a search path where functions and operators of somebody else come first.
 */
export const embeddedAndServer: Backend[] = [
  pgliteEmptied,
  migrated(onServer(`PostgreSQL ${older.slice(2)} with a hostile search path`, older, { template: hostileTemplate, through: onHostilePath })),
]
