import { register } from 'node:module'
import { adapterOf, setRuntimeConfig } from './imports-stub.mjs'

export const PEERS = {
  postgres: '@nvent-addon/adapter-store-postgres',
  redis: '@nvent-addon/adapter-store-redis',
}
export const POOL_SIZE = 10

/**
 * Starts a peer as nvent does: its plugin creates the adapter with the defaults of the module, migrates, and registers
 * the adapter.
 * @param {'postgres' | 'redis'} name
 * @param {string} url of a separate database
 */
export async function openPeer(name, url) {
  const { hostname, port } = new URL(url)
  setRuntimeConfig(name === 'postgres'
    ? { nventStorePostgres: { connection: url, prefix: 'nvent', poolSize: POOL_SIZE } }
    : { nventStoreRedis: { connection: { host: hostname, port: Number(port) }, prefix: 'nvent' } })
  const start = await plugin(name)
  const hooks = []
  await start({ hooks: { hook: (_, handler) => hooks.push(handler) } })
  for (const hook of hooks) await hook()
  return adapterOf(name)
}

/** By path, relative to the module, as the packages export the module only. */
async function plugin(name) {
  register('./imports-hook.mjs', import.meta.url)
  const file = new URL('./runtime/adapter.js', import.meta.resolve(PEERS[name]))
  return (await import(file.href)).default
}
