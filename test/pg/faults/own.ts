import { afterAll, afterEach, beforeAll } from 'vitest'
import { createStore } from '../../../src/runtime/core/index'
import type { Store, StoreOptions } from '../../../src/runtime/core/index'
import { embeddedBinaries, installedBinaries } from '../../setup/binaries'
import { startServer } from '../../setup/postgres'
import type { Server } from '../../setup/postgres'
import { startProxy } from '../../setup/proxy'
import type { Proxy } from '../../setup/proxy'

export const binaries = (): Promise<string> =>
  embeddedBinaries().catch(async (error: unknown) => await installedBinaries() ?? Promise.reject(error as Error))

interface Own {
  server(): Server
  /** A store under a prefix of its own, straight to the server unless it is told otherwise. */
  open(options?: StoreOptions): Store
  /** What the stores of this test have logged. */
  logged(): string[]
  /** A network of its own before the server. */
  proxy(): Promise<Proxy>
}

/** A server of this file's own, which may be stopped, and stores that are closed with their test. */
export function useOwnServer(settings: Record<string, string> = {}): Own {
  let server: Server
  let prefixes = 0
  let logged: string[] = []
  const cleanups: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    server = await startServer(await binaries(), settings)
  })
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    logged = []
  })
  afterAll(() => server?.stop('immediate'))

  const log = (message: string) => void logged.push(message)
  return {
    server: () => server,
    logged: () => logged,
    open(options) {
      const store = createStore({
        connection: server.url, prefix: `p${prefixes++}`, logger: { info: log, warn: log, error: log }, ...options,
      })
      cleanups.push(() => store.close())
      return store
    },
    async proxy() {
      const proxy = await startProxy(server.port)
      cleanups.push(() => proxy.close())
      return proxy
    },
  }
}
