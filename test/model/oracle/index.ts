import { checkName, checkNumber, copy, isObject, isPlain, put, refuse, Refusal, sameJson, stored } from './json'
import { expand, lookUp, mergePatch, segments } from './merge'
import type { Json, JsonObject } from './json'

export interface OracleEntry { id: string, score: number, metadata?: JsonObject }
interface Slot { score: number, metadata: JsonObject | undefined, version: number }
type Fields = Record<string, unknown>

/** Where filters compare instants (README, routing): the time columns. */
const TIME_FIELDS: [pattern: RegExp, fields: string[]][] = [
  [/^nvent:flow:runs:./s, ['startedAt', 'completedAt', 'lastActivityAt']],
  [/^nvent:flows$/, ['registeredAt', 'lastRunAt']],
  [/^nvent:triggers$/, ['registeredAt', 'lastActivityAt', 'stats.lastFiredAt']],
  [/^nvent:scheduler:jobs$/, ['executeAt', 'scheduledAt', 'lastRunAt', 'nextRunAt']],
]

export function timeFieldsOf(key: string): string[] {
  return TIME_FIELDS.find(([pattern]) => pattern.test(key))?.[1] ?? []
}

// a day, a time and a zone; years outside 0 to 9999 as toISOString writes them
const ISO_TEXT = /^(?:\d{4}|[+-]\d{6})-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/

/** An ISO text stands for its instant; all else, days that do not exist too, stands for itself. */
export function instant(value: Json): Json {
  if (typeof value !== 'string' || !ISO_TEXT.test(value) || Number.isNaN(Date.parse(value))) return value
  const day = value.slice(0, value.indexOf('T'))
  const exists = new Date(`${day}T00:00:00.000Z`).toISOString().startsWith(day)
  return exists ? Date.parse(value) : value
}

function metadataOf(given: unknown): JsonObject {
  if (!isPlain(given)) refuse('metadata')
  const metadata = expand(stored(given) as JsonObject)
  delete metadata.version
  return metadata
}

function notFound(): never {
  throw new Refusal('NOT_FOUND', 'Entry not found')
}

function wanted(value: unknown): Json[] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  for (const item of list) {
    if (item !== null && !['string', 'number', 'boolean'].includes(typeof item)) refuse('filter')
    stored(item)
  }
  return list as Json[]
}

function count(value: unknown, usual: number): number {
  if (value === undefined) return usual
  if (!Number.isSafeInteger(value) || (value as number) < 0) refuse('count')
  return value as number
}

export function createIndexOracle() {
  const indexes = new Map<string, Map<string, Slot>>()

  function find(key: string, id: string): Slot | undefined {
    checkName(key)
    checkName(id)
    return indexes.get(key)?.get(id)
  }

  /** What a caller sees: `version` is one of the members of the metadata. */
  function entryOf(id: string, slot: Slot): OracleEntry {
    if (!slot.metadata) return { id, score: slot.score }
    const metadata = copy(slot.metadata)
    put(metadata, 'version', slot.version)
    return { id, score: slot.score, metadata }
  }

  function matches(key: string, entry: OracleEntry, filter: Fields): boolean {
    return Object.keys(filter).every((path) => {
      if (filter[path] === undefined) return true
      const there = lookUp(entry.metadata ?? {}, segments(path))
      if (there === undefined) return false
      const view = timeFieldsOf(key).includes(path) ? instant : (value: Json) => value
      return wanted(filter[path]).some(value => sameJson(view(value), view(there)))
    })
  }

  function update(key: string, id: string, patch: unknown, options: { expectedVersion?: unknown } = {}): boolean {
    const slot = find(key, id)
    const expected = options.expectedVersion
    if (expected !== undefined && (!Number.isSafeInteger(expected) || (expected as number) < 0)) refuse('expectedVersion')
    const changes = metadataOf(patch)
    if (!slot || (expected !== undefined && slot.version !== expected)) return false
    slot.metadata = mergePatch(slot.metadata, changes) as JsonObject
    slot.version += 1
    return true
  }

  return {
    add(key: string, id: string, score: unknown, metadata?: unknown): void {
      const slot = find(key, id)
      checkNumber(score)
      const kept = metadata === undefined ? undefined : metadataOf(metadata)
      const entries = indexes.get(key) ?? new Map<string, Slot>()
      indexes.set(key, entries)
      // a Map keeps the place of a key that is set again: ties stay in order of insertion
      if (slot) Object.assign(slot, { score: score + 0, metadata: kept, version: 0 })
      else entries.set(id, { score: score + 0, metadata: kept, version: 0 })
    },

    get(key: string, id: string): OracleEntry | null {
      const slot = find(key, id)
      return slot ? entryOf(id, slot) : null
    },

    read(key: string, options: { offset?: unknown, limit?: unknown, filter?: unknown } = {}): OracleEntry[] {
      checkName(key)
      const offset = count(options.offset, 0)
      const limit = count(options.limit, 50)
      const filter = options.filter ?? {}
      if (!isPlain(filter)) refuse('filter')
      for (const value of Object.values(filter)) if (value !== undefined) wanted(value)
      return [...indexes.get(key) ?? []]
        .map(([id, slot]) => entryOf(id, slot))
        .sort((a, b) => b.score - a.score)
        .filter(entry => matches(key, entry, filter))
        .slice(offset, offset + limit)
    },

    update,

    updateWithRetry(key: string, id: string, patch: unknown): void {
      if (!update(key, id, patch)) notFound()
    },

    increment(key: string, id: string, field: unknown, by: unknown = 1): number {
      const slot = find(key, id)
      checkName(field)
      checkNumber(by)
      const path = segments(field)
      if (path[0] === 'version') refuse('field')
      if (!slot) notFound()
      const metadata = copy(slot.metadata ?? {})
      const last = path.pop()!
      let place = metadata
      for (const name of path) {
        const there = Object.hasOwn(place, name) ? place[name]! : {}
        if (!isObject(there)) refuse('parent')
        put(place, name, there)
        place = there
      }
      const before = Object.hasOwn(place, last) ? place[last] : 0
      if (typeof before !== 'number') refuse('value')
      const value = before + by
      checkNumber(value)
      put(place, last, value)
      slot.metadata = metadata
      slot.version += 1
      return value
    },

    delete(key: string, id: string): boolean {
      const there = find(key, id) !== undefined
      indexes.get(key)?.delete(id)
      return there
    },

    /** Remembers everything; what it returns puts it back. */
    mark(): () => void {
      const before = [...indexes].map(([key, entries]) => [key, new Map([...entries].map(([id, slot]) => [id, { ...slot }]))] as const)
      return () => {
        indexes.clear()
        for (const [key, entries] of before) indexes.set(key, entries)
      }
    },

    /** Everything there is, for tests that look for something to do. */
    entries: (key: string): OracleEntry[] => [...indexes.get(key) ?? []].map(([id, slot]) => entryOf(id, slot)),
    keys: (): string[] => [...indexes.keys()],
  }
}
