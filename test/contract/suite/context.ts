import { randomBytes } from 'node:crypto'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { Pool } from 'pg'
import { beforeAll, describe, expect, onTestFinished } from 'vitest'
import { isStoreError } from '../../../src/runtime/core/index'
import type { IndexEntry, Store, StoreErrorCode, StoreInfo, StoreOptions } from '../../../src/runtime/core/index'

export type Row = Record<string, unknown>

/** A store on an empty database, and SQL to look at what it does there. */
export interface Opened {
  store: Store
  /** Runs SQL: on another connection where there can be one, else through the store. */
  sql<R extends Row = Row>(text: string, values?: unknown[]): Promise<R[]>
  /** A pool on the same database, where there can be one. */
  pool?: Pool
  /** First segment of the subjects with tables of their own. Default: the prefix of the tables. */
  subjectPrefix?: string | undefined
  /** False: calls that are not waited for overtake each other, as they do on a pool. Default: true. */
  batching?: boolean | undefined
  /** Closes this store and opens the same database again. Not there when the data ends with the store. */
  reopen?(options?: StoreOptions): Promise<Opened>
}

/** Opens a store on an empty database of its own; whoever gives it also cleans up. */
export type Open = (options?: StoreOptions) => Promise<Opened>

export interface Openers {
  open: Open
  /** For the many stores that live for one test only, where another way is quicker. Default: `open`. */
  openMore?: Open
}

export interface Context extends Opened {
  info: StoreInfo
  /** First segment of subjects with tables of their own. */
  P: string
  /** `flow_runs` → `"public"."nvent_flow_runs"` */
  table(name: string): string
  /** Another store on another database, for this test only. */
  open(options?: StoreOptions): Promise<Opened>
  /** The same, once it is ready. */
  openReady(options?: StoreOptions): Promise<Context>
  /** Closes this store and opens the same database again. */
  reopenReady(options?: StoreOptions): Promise<Context>
}

export type Use = () => Context

async function contextOf(opened: Opened, open: Open): Promise<Context> {
  const info = await opened.store.ready()
  const openForTest: Open = async options => closeAfterTest(await open(options))
  return {
    ...opened,
    info,
    P: opened.subjectPrefix ?? info.prefix,
    table: name => `${quote(info.schema)}.${quote(`${info.prefix}_${name}`)}`,
    open: openForTest,
    openReady: async options => contextOf(await openForTest(options), open),
    async reopenReady(options) {
      if (!opened.reopen) throw new Error('this database ends with its store')
      return contextOf(closeAfterTest(await opened.reopen(options)), open)
    },
  }
}

function closeAfterTest(opened: Opened): Opened {
  onTestFinished(() => opened.store.close())
  return opened
}

/** Opens one store for all tests; they keep apart by names of their own. Some open another one beside it. */
export function withStore({ open, openMore = open }: Openers, suites: ((use: Use) => void)[]): void {
  let context: Context
  beforeAll(async () => {
    context = await contextOf(await open(), openMore)
  })
  for (const suite of suites) suite(() => context)
}

export const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

/** A name no other test uses. */
export const unique = (name = 'test') => `${name}-${randomBytes(6).toString('hex')}`

/** What JSON makes of a value. */
export const asJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

/** For arguments that the types forbid. */
export const wrong = (value: unknown): never => value as never

/** All that an iterable gives. */
export async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const event of events) all.push(event)
  return all
}

export const idsOf = (list: { id: string }[]) => list.map(each => each.id)

/** The call has to reject (not throw) with this code, and its message has to name the argument. */
export async function expectRefused(call: () => Promise<unknown>, argument: string, code: StoreErrorCode = 'INVALID_VALUE'): Promise<void> {
  const error = await failureOf(call)
  expect(error.code, error.message).toBe(code)
  // Whole words and ends of paths: `invalid` does not name `id`, `options.limit` does name `limit`.
  const words = error.message.split(/[^\w.]+/).map(word => word.replace(/\.$/, ''))
  expect(words.some(word => `.${word}`.endsWith(`.${argument}`)), `${error.message} [names ${argument}]`).toBe(true)
}

/** For objects with members like `constructor` or `__proto__`, which confuse toStrictEqual. */
export function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect.fail(`${inspect(actual, { depth: 9 })} should be ${inspect(expected, { depth: 9 })}`)
}

export async function expectCode(call: () => Promise<unknown>, code: StoreErrorCode): Promise<void> {
  const error = await failureOf(call)
  expect(error.code, error.message).toBe(code)
}

export async function failureOf(call: () => Promise<unknown>) {
  const promise = call()
  const error: unknown = await promise.then(value => expect.fail(`resolved with ${JSON.stringify(value)}`), reason => reason)
  if (!isStoreError(error)) throw error
  return error
}

/** Metadata of an entry without its version. */
export async function metadataOf(store: Store, key: string, id: string): Promise<Row | undefined> {
  const entry = await store.index.get(key, id)
  expect(entry, `entry ${id}`).not.toBeNull()
  return withoutVersion(entry!)
}

export function withoutVersion(entry: IndexEntry): Row | undefined {
  if (!entry.metadata) return undefined
  const { version, ...metadata } = entry.metadata
  expect(version).toBeTypeOf('number')
  return metadata
}

/** Every kind of table an index can live in: the rules are the same for all of them. */
export const indexKinds: { kind: string, table: string, idColumn: string, keyOf: (P: string) => string }[] = [
  { kind: 'the generic index', table: 'index', idColumn: 'id', keyOf: () => unique('orders') },
  { kind: 'flow runs', table: 'flow_runs', idColumn: 'run_id', keyOf: P => `${P}:flow:runs:${unique('flow')}` },
  { kind: 'flows', table: 'flows', idColumn: 'flow_name', keyOf: P => `${P}:flows` },
  { kind: 'triggers', table: 'triggers', idColumn: 'trigger_name', keyOf: P => `${P}:triggers` },
  { kind: 'scheduler jobs', table: 'scheduler_jobs', idColumn: 'job_id', keyOf: P => `${P}:scheduler:jobs` },
]

/** Tries values at once, on entries of their own. What each call does alone is tried without batching. */
export const sideBySide = <T>(values: readonly T[], tried: (value: T) => Promise<void>) => Promise.all(values.map(tried))

/** Every kind of table a stream can live in. */
export const streamKinds: { kind: string, table: string, subjectOf: (P: string) => string }[] = [
  { kind: 'flow events', table: 'flow_events', subjectOf: P => `${P}:flow:run:${unique('run')}` },
  { kind: 'trigger events', table: 'trigger_events', subjectOf: P => `${P}:trigger:event:${unique('trigger')}` },
  { kind: 'generic streams', table: 'events', subjectOf: () => `orders:${unique()}` },
  { kind: 'streams without a prefix', table: 'events_default', subjectOf: () => unique('single') },
]

/** The same tests for each kind of index; `key()` is a key that is empty when the test starts. */
export function describeIndexKinds(use: Use, title: string, tests: (kind: { table: string, key: () => Promise<string> }) => void): void {
  describe.each(indexKinds)(`${title} ($kind)`, ({ table, keyOf }) => {
    tests({
      table,
      async key() {
        const { P, store } = use()
        const key = keyOf(P)
        for (const { id } of await store.index.read(key, { limit: 10_000 })) await store.index.delete(key, id)
        return key
      },
    })
  })
}
