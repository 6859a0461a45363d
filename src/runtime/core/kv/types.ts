import type { Members } from '../shared/types'

export interface KvEntry {
  key: string
  value: unknown
  /** Time to live in seconds, fractions allowed. Default: the key does not expire. */
  ttlSeconds?: number
}

export const KV_ENTRY: Members<KvEntry> = { key: true, value: true, ttlSeconds: true }

export interface KvListOptions {
  /** `*` matches any number of characters, `?` exactly one, everything else is literal. Default: all keys. */
  glob?: string
  /** The `cursor` of the previous page. Default: the first page. */
  cursor?: string | null
  /** Maximum number of keys on a page. Default: 50. */
  limit?: number
}

export const KV_LIST_OPTIONS: Members<KvListOptions> = { glob: true, cursor: true, limit: true }

export interface KvList {
  keys: {
    key: string
    /** Milliseconds since 1970; absent when the key does not expire. */
    expiresAt?: number
  }[]
  /** Pass it to the next call to get the next page; null after the last page. */
  cursor: string | null
}

export interface KvApi {
  /** Reads a value; null when there is no such key, or it has expired. */
  // `any`, as in nvent's own type: its code reads values without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  get<T = any>(key: string): Promise<T | null>
  /**
   * Stores a JSON value (`undefined` as null) for `ttlSeconds` (fractions allowed), or without expiry when it is not given.
   * @throws {StoreError} INVALID_VALUE when an argument is not valid or can't be stored
   */
  set(key: string, value: unknown, ttlSeconds?: number): Promise<void>
  /** Reads the values of several keys, in the order of the keys; null where there is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  getMany<T = any>(keys: string[]): Promise<(T | null)[]>
  /** Stores several values, all or none. When a key is given twice, its last value is stored. */
  setMany(entries: KvEntry[]): Promise<void>
  /**
   * Lists keys that have not expired, in order, page by page. `getMany` reads their values.
   * @throws {StoreError} INVALID_VALUE when an option or the cursor is not valid
   * @example const { keys, cursor } = await store.kv.list({ glob: 'session:*', limit: 20 })
   */
  list(options?: KvListOptions): Promise<KvList>
  /** Deletes a key, if it exists. */
  delete(key: string): Promise<void>
  /**
   * Deletes the keys that match a glob (`*` any number of characters, `?` exactly one, everything else is literal).
   * Resolves with the number of keys that had not expired.
   */
  clear(glob: string): Promise<number>
  /**
   * Adds `by` (default: 1) to a number and resolves with the result. A missing key counts as 0; the expiry is kept.
   * @throws {StoreError} INVALID_VALUE when the value is not a number; it is not changed
   */
  increment(key: string, by?: number): Promise<number>
}
