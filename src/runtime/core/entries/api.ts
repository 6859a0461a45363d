import { setTimeout as sleep } from 'node:timers/promises'
import { checkArray, checkCount, checkName, checkNumber, checkOptions, checkRecord, checkText, rejecting } from '../shared/checks'
import { createBackoff } from '../shared/backoff'
import type { Call } from '../batch/operation'
import { invalidValue } from '../shared/errors'
import { pathOf } from '../tables/fields'
import { readMetadata, splitMetadata, splitPatch } from '../tables/metadata'
import type { Condition } from './filter'
import { readFilter } from './filter'
import { deleteEntry, getEntries } from './sql'
import type { EntryInput } from './sql'
import type { EntriesInput } from './page'
import { countAllEntries, countEntries, readMatchingEntries, readPage } from './page'
import { INDEX_PAGE_OPTIONS, INDEX_READ_OPTIONS, INDEX_UPDATE_OPTIONS } from './types'
import type { IndexEntry, IndexApi, IndexUpdateOptions } from './types'
import { MAX_SHARED_PAGE, answers } from '../batch/answers'
import { decodeEntry, entryNotFound, indexOperations } from './operations'
import { DEFAULT_PAGE } from '../sql/cursor'
import { pageRange, writeCursor } from './pageOptions'
import type { TierScope } from '../batch/tierScope'
import type { Route } from '../tables/route'
import type { IndexSpec } from '../tables/types'

const DEFAULT_RETRIES = 3
// An estimate: patches are small, and measuring one costs as much as sending it.
const PATCH_BYTES = 256
const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 2_000

export interface IndexScope extends TierScope {
  indexRoute(key: string): Route<IndexSpec>
}

export function createIndexApi(scope: IndexScope): IndexApi {
  const { context } = scope
  const operations = indexOperations(context)
  const routeOf = (key: string) => scope.indexRoute(checkName('key', key))
  const entryOf = (key: string, id: string): EntryInput => ({ route: routeOf(key), id: checkName('id', id) })
  // Names can't contain \0, so the key is unambiguous.
  const keyOf = ({ route: { subject }, id }: EntryInput) => `${subject}\0${id}`
  const callOf = <I extends EntryInput>(kind: string, input: I, bytes: number): Call<I> => {
    const key = keyOf(input)
    return { kind, key, input, bytes: key.length + bytes }
  }

  /** Prepares an update that can be sent repeatedly, independent of later changes to the given objects. */
  function updateOf(key: string, id: string, given: unknown, options?: IndexUpdateOptions): () => Promise<boolean> {
    const { route } = entryOf(key, id)
    const patch = splitPatch(route.spec, readMetadata('patch', given))
    const { expectedVersion } = checkOptions('options', options, INDEX_UPDATE_OPTIONS)
    if (expectedVersion !== undefined) checkCount('options.expectedVersion', expectedVersion)
    const kind = `${route.spec.table} ${patch.shape.group} ${expectedVersion}`
    return () => scope.send(operations.update, callOf(kind, { route, id, patch, times: 1, expectedVersion }, PATCH_BYTES))
  }

  async function readMatching(input: EntriesInput, conditions: Condition[]): Promise<IndexEntry[]> {
    const { rows } = await scope.use(session => session.query(readMatchingEntries(context, input, conditions)))
    return rows.map(row => decodeEntry(input.route.spec, row))
  }

  async function remove(key: string, id: string): Promise<boolean> {
    const entry = entryOf(key, id)
    return scope.inOrder([keyOf(entry)], async session => (await session.query(deleteEntry(context, entry))).count > 0)
  }

  return {
    add: rejecting((key, id, score, metadata) => {
      const { route } = entryOf(key, id)
      checkNumber('score', score)
      const { columns, rest } = metadata === undefined
        ? { columns: [], rest: null }
        : splitMetadata(route.spec, readMetadata('metadata', metadata))
      const bytes = columns.length * 8 + (rest?.length ?? 0)
      return scope.send(operations.add, callOf(route.spec.table, { route, id, score, columns, rest }, bytes))
    }),

    get: rejecting((key, id) => {
      const entry = entryOf(key, id)
      return scope.send(operations.get, callOf(entry.route.spec.table, entry, 0))
    }),

    read: rejecting((key, options) => {
      const route = routeOf(key)
      const { offset: skipped = 0, limit: wanted = DEFAULT_PAGE, filter } = checkOptions('options', options, INDEX_READ_OPTIONS)
      const [offset, limit] = [checkCount('options.offset', skipped), checkCount('options.limit', wanted)]
      const conditions = readFilter(route.spec, checkRecord('options.filter', filter))
      const input = { route, offset, limit }
      if (conditions.length > 0) return readMatching(input, conditions)
      // The skipped rows are read as well, so they count.
      if (offset + limit > MAX_SHARED_PAGE) return scope.use((session, tables) => operations.read.one(session, tables, input))
      return scope.sendRead(operations.read, { kind: route.spec.table, key: `${key}\0${offset} ${limit}`, input, bytes: key.length })
    }),

    async getMany(key, ids) {
      const route = routeOf(key)
      const inputs = checkArray('ids', ids).map((id, at) => ({ route, id: checkName(`ids.${at}`, id) }))
      if (inputs.length === 0) return []
      const rows = await scope.inOrder(inputs.map(keyOf), session => answers(session, getEntries(context, inputs), inputs.length))
      return rows.map(row => row ? decodeEntry(route.spec, row) : null)
    },

    async readPage(key, options) {
      const route = routeOf(key)
      const range = pageRange(route.spec, checkOptions('options', options, INDEX_PAGE_OPTIONS))
      const { rows } = await scope.use(session => session.query(readPage(context, route, range)))
      const last = rows.at(-1)
      return {
        entries: rows.map(row => decodeEntry(route.spec, row)),
        cursor: last && rows.length === range.limit ? writeCursor(last.score as number, String(last.seq)) : null,
      }
    },

    async count(key, filter) {
      const route = routeOf(key)
      const conditions = readFilter(route.spec, checkRecord('filter', filter))
      const statement = conditions.length === 0 ? countAllEntries(context, route) : countEntries(context, route, conditions)
      const { rows: [row] } = await scope.use(session => session.query(statement))
      return Number(row!.count)
    },

    update: rejecting((key, id, patch, options) => updateOf(key, id, patch, options)()),

    async updateWithRetry(key, id, patch, maxRetries = DEFAULT_RETRIES) {
      checkCount('maxRetries', maxRetries)
      const update = updateOf(key, id, patch)
      const backoff = createBackoff({ first: FIRST_RETRY_MS, max: MAX_RETRY_MS, jitter: [0.5, 1.5] })
      while (!await update()) {
        if (backoff.pauses >= maxRetries) throw entryNotFound(key, id, `after ${backoff.pauses + 1} attempts`)
        await sleep(backoff.next())
      }
    },

    increment: rejecting((key, id, field, by = 1) => {
      const { route } = entryOf(key, id)
      const path = pathOf(checkText('field', field))
      if (path[0] === 'version') throw invalidValue('field', '`version` is maintained by the store: every update increments it')
      const input = { route, id, field, path, by: checkNumber('by', by), times: 1 }
      return scope.send(operations.increment, callOf(`${route.spec.table} ${field}`, input, field.length))
    }),

    delete: remove,
    remove,
  }
}
