import type { Members } from '../shared/types'

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Metadata = Record<string, any>

export interface IndexEntry {
  id: string
  score: number
  /** Absent when the entry was added without. `version` is the store's: 0 after add, +1 for every update and increment. */
  metadata?: Metadata & { version: number }
}

/** Equality by dotted path; an array means "one of". A field that is unknown matches nothing. */
export type IndexFilter = Record<string, FilterValue | FilterValue[]>

export type FilterValue = string | number | boolean | null

export interface IndexReadOptions {
  /** Entries to skip. Default: 0. */
  offset?: number
  /** Default: 50. */
  limit?: number
  filter?: IndexFilter
}

export const INDEX_READ_OPTIONS: Members<IndexReadOptions> = { offset: true, limit: true, filter: true }

export interface IndexPageOptions {
  /** Where the page before ended. */
  cursor?: string | null
  /** Default: 50. */
  limit?: number
  /** By score; default: `desc`, highest first. */
  order?: 'asc' | 'desc'
  /** Inclusive score. */
  min?: number
  /** Inclusive score. */
  max?: number
  filter?: IndexFilter
}

export const INDEX_PAGE_OPTIONS: Members<IndexPageOptions> = {
  cursor: true, limit: true, order: true, min: true, max: true, filter: true,
}

export interface IndexPage {
  entries: IndexEntry[]
  /** Gives the next page; null after the last one. */
  cursor: string | null
}

export interface IndexUpdateOptions {
  /** Update only while `metadata.version` is this one; the call returns false otherwise. */
  expectedVersion?: number
}

export const INDEX_UPDATE_OPTIONS: Members<IndexUpdateOptions> = { expectedVersion: true }

export interface IndexApi {
  /** Adds an entry, or replaces the score and all metadata of the one that is there; its version starts again at 0. */
  add(key: string, id: string, score: number, metadata?: Metadata): Promise<void>
  get(key: string, id: string): Promise<IndexEntry | null>
  /** Highest score first, ties in order of insertion; 50 entries unless `limit` is given. */
  read(key: string, options?: IndexReadOptions): Promise<IndexEntry[]>
  /** The entries of several ids, in their order; null where there is none. */
  getMany(key: string, ids: string[]): Promise<(IndexEntry | null)[]>
  /**
   * Reads page by page; a page deep inside costs what the first one does. Entries that are added or removed
   * meanwhile shift nothing.
   * @example
   * const { entries, cursor } = await store.index.readPage('orders', { limit: 20 })
   * const next = await store.index.readPage('orders', { limit: 20, cursor })
   */
  readPage(key: string, options?: IndexPageOptions): Promise<IndexPage>
  /** How many entries there are, or match. */
  count(key: string, filter?: IndexFilter): Promise<number>
  /**
   * Merges a patch into the metadata (RFC 7396: `null` deletes a key, arrays and scalars are replaced), in one
   * atomic statement. `undefined` leaves a key alone; a dotted key at the top level is expanded to nested ones.
   * @returns false when there is no such entry or `expectedVersion` is not its version.
   */
  update(key: string, id: string, patch: Metadata, options?: IndexUpdateOptions): Promise<boolean>
  /**
   * `update` that waits, with exponential backoff and jitter, for an entry that is not there yet.
   * `maxRetries` counts attempts after the first one; default: 3.
   * @throws {StoreError} NOT_FOUND (`Entry not found …`) when it still is not there.
   */
  updateWithRetry(key: string, id: string, patch: Metadata, maxRetries?: number): Promise<void>
  /**
   * Adds `by` (default 1, fractions allowed) to the number at a dotted path; a missing path starts at 0.
   * @returns the new number.
   * @throws {StoreError} NOT_FOUND (`Entry not found …`) or INVALID_VALUE when something else than a number is there.
   */
  increment(key: string, id: string, field: string, by?: number): Promise<number>
  /** True when there was such an entry. */
  delete(key: string, id: string): Promise<boolean>
  /** The same as `delete`. */
  remove(key: string, id: string): Promise<boolean>
}
