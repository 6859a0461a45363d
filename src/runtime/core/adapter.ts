import type { StoreOptions } from './options/types'
import { createStore } from './store'
import type { IndexApi } from './entries/types'
import type { KvApi } from './kv/types'
import type { Store, StreamApi } from './types'
import type { StoreAdmin } from './admin/types'

/**
 * The store as a class that implements the adapter interface of nvent.
 * @example
 * const adapter = new PostgresStoreAdapter({ connection: 'postgres://localhost/app' })
 * await adapter.init()
 */
export class PostgresStoreAdapter {
  readonly stream: StreamApi
  readonly index: IndexApi
  readonly kv: KvApi
  readonly admin: StoreAdmin
  readonly #store: Store

  constructor(options: StoreOptions) {
    this.#store = createStore(options)
    this.stream = this.#store.stream
    this.index = this.#store.index
    this.kv = this.#store.kv
    this.admin = this.#store.admin
  }

  /**
   * Connects and migrates. May be called again.
   * @throws {StoreError} as `Store.ready`
   */
  async init(): Promise<void> {
    await this.#store.ready()
  }

  /** Waits for the calls in progress, refuses new ones with CLOSED, and closes the connections. May be called again. */
  async close(): Promise<void> {
    await this.#store.close()
  }
}
