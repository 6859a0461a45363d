import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import { beforeAll, describe, expect } from 'vitest'
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
  /** Closes this store and opens the same database again. Not there when the data ends with the store. */
  reopen?(options?: StoreOptions): Promise<Opened>
}

/** Opens a store on a database of its own; whoever gives it also closes what it opened. */
export type Open = (options?: StoreOptions) => Promise<Opened>

export interface Context extends Opened {
  info: StoreInfo
  /** First segment of subjects with tables of their own. */
  P: string
  open: Open
  /** `flow_runs` → `"public"."nvent_flow_runs"` */
  table(name: string): string
}

export type Use = () => Context

export async function contextOf(opened: Opened, open: Open): Promise<Context> {
  const info = await opened.store.ready()
  return {
    ...opened,
    info,
    open,
    P: opened.subjectPrefix ?? info.prefix,
    table: name => `${quote(info.schema)}.${quote(`${info.prefix}_${name}`)}`,
  }
}

/** Opens one store for all tests of a file; they keep apart by names of their own. */
export function withStore(open: Open, suites: ((use: Use) => void)[]): void {
  let context: Context
  beforeAll(async () => {
    context = await contextOf(await open(), open)
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

export const idsOf = (list: { id: string }[]) => list.map(each => each.id)

/** The call has to reject (not throw) with this code, and its message has to name the argument. */
export async function expectRefused(call: () => Promise<unknown>, argument: string, code: StoreErrorCode = 'INVALID_VALUE'): Promise<void> {
  const error = await failureOf(call)
  expect(error.code, error.message).toBe(code)
  expect(words(error.message), `names ${argument}`).toContain(words(argument))
}

/** Compares whole words: `id` is not named by `invalid`. */
const words = (text: string) => ` ${text.replace(/[^\w.]+|\.(?=\s|$)/g, ' ').trim()} `

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
