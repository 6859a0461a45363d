import type { Members } from '../shared/types'

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Metadata = Record<string, any>

export interface IndexEntry {
  id: string
  score: number
  /**
   * Absent when the entry was added without metadata. The store maintains `version`: 0 after `add`, incremented by every
   * `update` and `increment`.
   */
  metadata?: Metadata & { version: number }
}

/** Equality by dotted path; an array means "one of". A field that an entry does not have does not match. */
export type IndexFilter = Record<string, FilterValue | FilterValue[]>

export type FilterValue = string | number | boolean | null

export interface IndexReadOptions {
  /** Number of entries to skip. Default: 0. */
  offset?: number
  /** Maximum number of entries. Default: 50. */
  limit?: number
  filter?: IndexFilter
}

export const INDEX_READ_OPTIONS: Members<IndexReadOptions> = { offset: true, limit: true, filter: true }

export interface IndexPageOptions {
  /** The `cursor` of the previous page. Default: the first page. */
  cursor?: string | null
  /** Maximum number of entries on a page. Default: 50. */
  limit?: number
  /** Order by score. Default: `desc`, highest first. */
  order?: 'asc' | 'desc'
  /** Lowest score, inclusive. */
  min?: number
  /** Highest score, inclusive. */
  max?: number
  filter?: IndexFilter
}

export const INDEX_PAGE_OPTIONS: Members<IndexPageOptions> = {
  cursor: true, limit: true, order: true, min: true, max: true, filter: true,
}

export interface IndexPage {
  entries: IndexEntry[]
  /** Pass it to the next call to get the next page; null after the last page. */
  cursor: string | null
}

export interface IndexUpdateOptions {
  /** Updates only when `metadata.version` has this value; otherwise the call resolves with false. */
  expectedVersion?: number
}

export const INDEX_UPDATE_OPTIONS: Members<IndexUpdateOptions> = { expectedVersion: true }

export interface IndexApi {
  /**
   * Adds an entry, or replaces the score and all metadata of an existing one; its version starts again at 0.
   * @throws {StoreError} INVALID_VALUE when an argument is not valid or can't be stored
   */
  add(key: string, id: string, score: number, metadata?: Metadata): Promise<void>
  /** Reads one entry; null when there is none. */
  get(key: string, id: string): Promise<IndexEntry | null>
  /** Reads entries, highest score first, equal scores in order of insertion; 50 entries unless `limit` is given. */
  read(key: string, options?: IndexReadOptions): Promise<IndexEntry[]>
  /** Reads the entries with several ids, in the order of the ids; null where there is none. */
  getMany(key: string, ids: string[]): Promise<(IndexEntry | null)[]>
  /**
   * Reads page by page. Every page costs as much as the first one, and entries that are added or removed meanwhile do not
   * shift later pages.
   * @throws {StoreError} INVALID_VALUE when an option or the cursor is not valid
   * @example
   * const { entries, cursor } = await store.index.readPage('orders', { limit: 20 })
   * const next = await store.index.readPage('orders', { limit: 20, cursor })
   */
  readPage(key: string, options?: IndexPageOptions): Promise<IndexPage>
  /** The number of entries of a key, or of those that match a filter. */
  count(key: string, filter?: IndexFilter): Promise<number>
  /**
   * Merges a patch into the metadata in one atomic statement (RFC 7396: `null` deletes a key, arrays and scalars are
   * replaced). A key whose value is `undefined` is ignored; a dotted key at the top level is expanded to nested objects.
   * @returns false when there is no such entry, or its version is not `expectedVersion`
   * @throws {StoreError} INVALID_VALUE when the patch contains a value that can't be stored
   */
  update(key: string, id: string, patch: Metadata, options?: IndexUpdateOptions): Promise<boolean>
  /**
   * An `update` that retries, with exponential backoff and jitter, while the entry does not exist. `maxRetries` is the
   * number of attempts after the first one; default: 3.
   * @throws {StoreError} NOT_FOUND (`Entry not found …`) when the entry does not exist after the last attempt
   */
  updateWithRetry(key: string, id: string, patch: Metadata, maxRetries?: number): Promise<void>
  /**
   * Adds `by` (default: 1; fractions allowed) to the number at a dotted path. A missing path counts as 0.
   * @returns the new number
   * @throws {StoreError} NOT_FOUND (`Entry not found …`) when there is no such entry, INVALID_VALUE when the value is not a
   * number
   */
  increment(key: string, id: string, field: string, by?: number): Promise<number>
  /** Deletes an entry. Resolves with true when there was one. */
  delete(key: string, id: string): Promise<boolean>
  /** The same as `delete`. */
  remove(key: string, id: string): Promise<boolean>
}
