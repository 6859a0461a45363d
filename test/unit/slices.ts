import type { Source } from './sources'
import { inside } from './sources'

const CORE = 'runtime/core'

/**
 * The slices with their contents, from the lowest row up. A file imports from its own slice and from rows below it.
 * Slices of one row never import each other: `store.ts` and `storeParts.ts` connect them.
 */
export const ROWS: Record<string, string>[] = [
  { shared: 'errors, JSON, argument checks, identifiers, globs' },
  { tables: 'the descriptions of the tables as data, column types, the router' },
  { sql: 'the statement cache, templates, lists of rows, cursors, the lock of the global order' },
  { db: 'connections: `pg` and PGlite, poolers, LISTEN; the only slice that knows drivers' },
  { batch: 'puts concurrent calls into shared statements, and keeps the order of each key' },
  {
    stream: 'events: append, read, lifecycle',
    entries: 'the index: add, update, increment, filter, pages',
    kv: 'values with a time to live',
    dedupe: 'keys that are taken once for a time, and work that runs once for its key',
  },
  { log: 'the global order: `readAll`, subscriptions' },
  { typed: 'typed streams: codecs, upcasts' },
  {
    outbox: 'puts messages into the outbox',
    rules: 'counts the events of a subject in a sliding window',
  },
  {
    transaction: 'one transaction over all three tiers, retries, the client of a caller',
    partitions: 'a table for each subject type',
  },
  { jobs: 'background work of one instance at a time: the sweep, retention' },
  { consumers: 'handle the events of the log in the background: shards, leases, retries, parked subjects' },
  {
    relay: 'publishes what is in the outbox: a consumer of the log',
    projections: 'makes states of the events of the log: builds, versions, what readers get',
    aggregates: 'a state made of the events of a stream, decisions on it, snapshots; sessions of several in one transaction',
    leases: 'gives the events of the log to workers that ask for them: claim, renew, ack, nack, block',
  },
  { schema: 'migrations, adoption, drift' },
  { observability: 'metrics, traces, store events' },
  {
    admin: '`store.admin`, and what the command line asks',
    doctor: 'the checks of `nvent-store doctor`',
  },
  { options: 'the options of a store, with defaults and checks' },
  { store: 'assembles the store, and connects the slices' },
  { server: 'what runs in a server, whatever the framework: settings, connection, shutdown' },
  {
    nitro2: 'the plugin, routes and tasks of Nitro 2',
    app: 'what runs in the browser',
  },
  { 'module options': 'the options of the modules, and what may be part of a build' },
  { build: 'what the modules find in a project' },
  { cli: 'the commands of `nvent-store`' },
  { shells: '`module.ts`, `nitro.ts`, `cli.ts`' },
]

/** Slices that are not a folder of the core, by the paths of their files. */
const OUTSIDE: Record<string, RegExp> = {
  'store': /^runtime\/core\/(store|storeParts|types|adapter|index)$/,
  'server': /^runtime\/server\//,
  'nitro2': /^runtime\/nitro2\//,
  'app': /^runtime\/app\//,
  'module options': /^options\//,
  'build': /^build\//,
  'cli': /^cli\//,
  'shells': /^(module|nitro|cli)$/,
}

export const SLICES = ROWS.flatMap(slices => Object.keys(slices))

export const sliceOf = (name: Source['name']): string | undefined =>
  SLICES.find(slice => OUTSIDE[slice]?.test(name) ?? inside(`${CORE}/${slice}`)({ name }))

export const rowOf = (name: Source['name']): number => ROWS.findIndex(slices => sliceOf(name)! in slices)
