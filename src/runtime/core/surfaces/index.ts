import { setTimeout as sleep } from 'node:timers/promises'
import { checkCount, checkName, checkNumber, checkOptions } from '../arguments'
import type { Row } from '../db/types'
import { StoreError, invalidValue } from '../errors'
import { decodeMetadata, readMetadata, splitMetadata, splitPatch } from '../spec/metadata'
import { pathOf } from '../spec/fields'
import type { IndexSpec } from '../spec/types'
import { readFilter } from '../statements/filter'
import { incrementEntry } from '../statements/increment'
import { addEntry, deleteEntry, entryExists, getEntry, readEntries, updateEntry } from '../statements/index'
import type { IndexEntry, IndexSurface, IndexUpdateOptions } from '../types'
import type { Scope } from './scope'

const DEFAULT_LIMIT = 50
const DEFAULT_RETRIES = 3
const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 2_000

export function createIndexSurface(scope: Scope): IndexSurface {
  const { context } = scope
  const routeOf = (key: string) => scope.indexRoute(checkName('key', key))
  const entryOf = (key: string, id: string) => ({ route: routeOf(key), id: checkName('id', id) })

  async function update(key: string, entryId: string, patch: unknown, options?: IndexUpdateOptions): Promise<boolean> {
    const { route, id } = entryOf(key, entryId)
    const changes = splitPatch(route.spec, readMetadata('patch', patch))
    const { expectedVersion } = checkOptions('options', options)
    if (expectedVersion !== undefined) checkCount('options.expectedVersion', expectedVersion)
    const statement = updateEntry(context, route, id, changes, expectedVersion)
    return scope.use(async session => (await session.query(statement)).count > 0)
  }

  async function remove(key: string, entryId: string): Promise<boolean> {
    const { route, id } = entryOf(key, entryId)
    return scope.use(async session => (await session.query(deleteEntry(context, route, id))).count > 0)
  }

  return {
    async add(key, entryId, score, metadata) {
      const { route, id } = entryOf(key, entryId)
      checkNumber('score', score)
      const split = metadata === undefined ? undefined : splitMetadata(route.spec, readMetadata('metadata', metadata))
      await scope.use(session => session.query(addEntry(context, route, id, score, split)))
    },

    async get(key, entryId) {
      const { route, id } = entryOf(key, entryId)
      const { rows: [row] } = await scope.use(session => session.query(getEntry(context, route, id)))
      return row ? decodeEntry(route.spec, row) : null
    },

    async read(key, options) {
      const route = routeOf(key)
      const { offset = 0, limit = DEFAULT_LIMIT, filter = {} } = checkOptions('options', options)
      const range = {
        offset: checkCount('options.offset', offset),
        limit: checkCount('options.limit', limit),
        conditions: readFilter(route.spec, checkOptions('options.filter', filter)),
      }
      const { rows } = await scope.use(session => session.query(readEntries(context, route, range)))
      return rows.map(row => decodeEntry(route.spec, row))
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

    async increment(key, entryId, field, by = 1) {
      const { route, id } = entryOf(key, entryId)
      const path = pathOf(checkName('field', field))
      if (path[0] === 'version') throw invalidValue('field', '`version` is the store\'s own: every update counts it up')
      checkNumber('by', by)
      return scope.use(async (session) => {
        const { rows: [row] } = await session.query(incrementEntry(context, route, id, path, by))
        if (row) return row.value as number
        const { rows: [entry] } = await session.query(entryExists(context, route, id))
        if (!entry) throw entryNotFound(key, id)
        throw invalidValue('field', `${JSON.stringify(field)} of entry ${JSON.stringify(id)} in ${JSON.stringify(key)} is not a number, so it can't be incremented; nothing was changed`, { key, id, field })
      })
    },

    delete: remove,
    remove,
  }
}

function decodeEntry(spec: IndexSpec, row: Row): IndexEntry {
  const metadata = decodeMetadata(spec, row)
  const entry = { id: row[spec.id] as string, score: row.score as number }
  return metadata === undefined ? entry : { ...entry, metadata }
}

function entryNotFound(key: string, id: string, when = ''): StoreError {
  return new StoreError('NOT_FOUND', `Entry not found: ${JSON.stringify(id)} in ${JSON.stringify(key)} ${when}`.trimEnd(), {
    details: { key, id },
  })
}
