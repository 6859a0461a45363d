import pg from 'pg'
import { createStore, isStoreError } from '../../../src/runtime/core/index'

/** Calls in loops, on connections that others terminate; tells of every error that is no lost connection. */
const [url, own] = process.argv.slice(2) as [string, string]
const config = { connectionString: url, application_name: 'terminated', max: 12 }
const pool = own === 'own' ? undefined : new pg.Pool(config)
const logger = { info() {}, warn() {}, error() {} }
const store = createStore({ ...pool ? { pool } : { connection: config }, prefix: own, logger })
let running = true
let done = 0

async function loop(call: () => Promise<unknown>): Promise<void> {
  while (running) {
    try {
      await call()
      done++
    }
    catch (error) {
      if (running && (!isStoreError(error) || error.code !== 'CONNECTION')) process.send!({ error: String(error), code: (error as { code?: unknown }).code })
    }
  }
}

await store.ready()
const loops = Array.from({ length: 12 }, (_, at) => loop(() => at % 3 === 0
  ? store.kv.set(`single:${at}`, done)
  : store.transaction(async (tx) => {
      await tx.kv.set(`key:${at}`, done)
      if (at % 3 === 1) await tx.kv.get(`key:${at}`)
    })))
process.on('message', () => {
  running = false
  // Connections that are in use, or terminated, while the pool ends.
  void Promise.all([...loops, pool?.end()]).then(async () => {
    await store.close()
    process.send!({ done })
    process.disconnect()
  })
})
process.send!({ ready: true })
