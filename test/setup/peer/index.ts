import { register } from 'node:module'
import type { Pool } from 'pg'
import type { StoreOptions } from '../../../src/runtime/core/options/types'
import type { Store } from '../../../src/runtime/core/types'
import { onFileEnd } from '../database'

// Its files lie beside its module, which is all that its exports name.
const FILES = new URL('../../../node_modules/@nvent-addon/adapter-store-postgres/dist/runtime/', import.meta.url)

/** The published adapter as nvent uses it. */
export interface Peer extends Pick<Store, 'stream' | 'index' | 'kv' | 'close'> {
  pool: Pool
}

interface PeerModules {
  PostgresStoreAdapter: new (options: StoreOptions) => Peer
  runMigrations(pool: Pool, prefix: string, schema: string): Promise<void>
}

let modules: Promise<PeerModules> | undefined

function load(): Promise<PeerModules> {
  return modules ??= (async () => {
    register('./imports-hook.mjs', import.meta.url)
    const [adapter, migrations] = await Promise.all(['adapter.js', 'migrations.js'].map(file => import(new URL(file, FILES).href)))
    return { ...adapter as PeerModules, ...migrations as PeerModules }
  })()
}

/** Starts the published adapter on a database: it makes its tables and is closed when the test file has ended. */
export async function openPeer(url: string, { prefix = 'nvent', schema = 'public', poolSize = 10 } = {}): Promise<Peer> {
  const { PostgresStoreAdapter, runMigrations } = await load()
  const peer = new PostgresStoreAdapter({ connection: url, prefix, schema, poolSize })
  // It has no listener of its own: a connection that the server ends would end the process.
  peer.pool.on('error', () => {})
  await quietly(() => runMigrations(peer.pool, prefix, schema))
  onFileEnd(async () => {
    if (!peer.pool.ended) await peer.close()
  })
  return peer
}

/** Its migrations write to the console. */
async function quietly(run: () => Promise<void>): Promise<void> {
  const { log } = console
  console.log = () => {}
  await run().finally(() => {
    console.log = log
  })
}
