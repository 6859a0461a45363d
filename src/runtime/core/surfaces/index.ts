import { setTimeout as sleep } from 'node:timers/promises'
import { checkArray, checkCount, checkName, checkNumber, checkOptions, checkText } from '../arguments'
import { StoreError, invalidValue } from '../errors'
import { pathOf } from '../spec/fields'
import { readMetadata, splitMetadata, splitPatch } from '../spec/metadata'
import { readFilter } from '../statements/filter'
import { deleteEntry, getEntries, patchGroup } from '../statements/index'
import type { EntryInput } from '../statements/index'
import { countEntries, readEntries, readPage } from '../statements/page'
import type { IndexSurface, IndexUpdateOptions } from '../types/index'
import { decodeEntry, indexOperations } from './indexOperations'
import { DEFAULT_PAGE, pageRange, writeCursor } from './page'
import type { Scope } from './scope'

const DEFAULT_RETRIES = 3
// Patches are small, and to measure one costs as much as to send it.
const PATCH_BYTES = 256
const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 2_000

export function createIndexSurface(scope: Scope): IndexSurface {
  const { context } = scope
  const operations = indexOperations(context)
  const routeOf = (key: string) => scope.indexRoute(checkName('key', key))
  const entryOf = (key: string, id: string): EntryInput => ({ route: routeOf(key), id: checkName('id', id) })
  // Names hold no \0, so the parts of a key can't run into each other.
  const callOf = (operation: string, { route, id }: EntryInput, bytes: number) => ({
    kind: `${operation} ${route.spec.table}`, key: `${route.subject}\0${id}`, bytes: route.subject.length + id.length + bytes,
  })

  async function update(key: string, id: string, patch: unknown, options?: IndexUpdateOptions): Promise<boolean> {
    const entry = entryOf(key, id)
    const tree = readMetadata('patch', patch)
    const split = splitPatch(entry.route.spec, tree)
    const { expectedVersion } = checkOptions('options', options)
    if (expectedVersion !== undefined) checkCount('options.expectedVersion', expectedVersion)
    const input = { ...entry, patch: split, times: 1, expectedVersion }
    return scope.send(operations.update, { ...callOf(`update ${patchGroup(split)} ${expectedVersion}`, entry, PATCH_BYTES), input })
  }

  async function remove(key: string, id: string): Promise<boolean> {
    const entry = entryOf(key, id)
    return scope.use(async session => (await session.query(deleteEntry(context, entry))).count > 0)
  }

  return {
    async add(key, id, score, metadata) {
      const entry = entryOf(key, id)
      checkNumber('score', score)
      const split = metadata === undefined
        ? { columns: [], rest: null }
        : splitMetadata(entry.route.spec, readMetadata('metadata', metadata))
      const bytes = split.columns.length * 8 + (split.rest?.length ?? 0)
      await scope.send(operations.add, { ...callOf('add', entry, bytes), input: { ...entry, score, ...split } })
    },

    async get(key, id) {
      const entry = entryOf(key, id)
      const row = await scope.send(operations.get, { ...callOf('get', entry, 0), input: entry })
      return row === undefined ? null : decodeEntry(entry.route.spec, row)
    },

    async read(key, options) {
      const route = routeOf(key)
      const { offset = 0, limit = DEFAULT_PAGE, filter = {} } = checkOptions('options', options)
      const range = {
        offset: checkCount('options.offset', offset),
        limit: checkCount('options.limit', limit),
        conditions: readFilter(route.spec, checkOptions('options.filter', filter)),
      }
      const { rows } = await scope.use(session => session.query(readEntries(context, route, range)))
      return rows.map(row => decodeEntry(route.spec, row))
    },

    async getMany(key, ids) {
      const route = routeOf(key)
      const inputs = checkArray('ids', ids).map((id, at) => ({ route, id: checkName(`ids.${at}`, id) }))
      if (inputs.length === 0) return []
      const { rows } = await scope.use(session => session.query(getEntries(context, inputs)))
      const entries = new Map(rows.map(row => [Number(row.ord), row]))
      return inputs.map((_, at) => entries.has(at + 1) ? decodeEntry(route.spec, entries.get(at + 1)!) : null)
    },

    async readPage(key, options) {
      const route = routeOf(key)
      const range = pageRange(route.spec, checkOptions('options', options))
      const { rows } = await scope.use(session => session.query(readPage(context, route, range)))
      const last = rows.at(-1)
      return {
        entries: rows.map(row => decodeEntry(route.spec, row)),
        cursor: last && rows.length === range.limit ? writeCursor(last.score as number, String(last.seq)) : null,
      }
    },

    async count(key, filter = {}) {
      const route = routeOf(key)
      const statement = countEntries(context, route, readFilter(route.spec, checkOptions('filter', filter)))
      const { rows: [row] } = await scope.use(session => session.query(statement))
      return Number(row!.count)
    },

    update,

    async updateWithRetry(key, id, patch, maxRetries = DEFAULT_RETRIES) {
      checkCount('maxRetries', maxRetries)
      for (let attempt = 0; !await update(key, id, patch); attempt++) {
        if (attempt >= maxRetries) throw entryNotFound(key, id, `after ${attempt + 1} attempts`)
        const pause = Math.min(FIRST_RETRY_MS * 2 ** attempt, MAX_RETRY_MS)
        await sleep(pause * (0.5 + Math.random()))
      }
    },

    async increment(key, id, field, by = 1) {
      const entry = entryOf(key, id)
      const path = pathOf(checkText('field', field))
      if (path[0] === 'version') throw invalidValue('field', '`version` is the store\'s own: every update counts it up')
      const input = { ...entry, path, by: checkNumber('by', by), times: 1 }
      const value = await scope.send(operations.increment, { ...callOf(`increment ${field}`, entry, field.length), input })
      if (typeof value === 'number') return value
      if (value === 'not found') throw entryNotFound(key, id)
      throw invalidValue('field', `${JSON.stringify(field)} of entry ${JSON.stringify(id)} in ${JSON.stringify(key)} is not a number, so it can't be incremented; nothing was changed`, { key, id, field })
    },

    delete: remove,
    remove,
  }
}

function entryNotFound(key: string, id: string, when = ''): StoreError {
  return new StoreError('NOT_FOUND', `Entry not found: ${JSON.stringify(id)} in ${JSON.stringify(key)} ${when}`.trimEnd(), {
    details: { key, id },
  })
}
