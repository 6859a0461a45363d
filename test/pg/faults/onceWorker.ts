import { setTimeout as sleep } from 'node:timers/promises'
import { createStore, isStoreError } from '../../../src/runtime/core/index'

export interface OncePlan {
  url: string
  worker: string
  /** How long the work of a key takes, at most. */
  workMs: number
  idleMs: number
}

const SPREAD_MS = 100

/** Calls once() for every key that it is sent, in some order, and sends what it got for each. Its work counts itself in the same transaction. */
const { url, worker, workMs, idleMs } = JSON.parse(process.argv[2]!) as OncePlan
const store = createStore({ connection: url, poolSize: 5, logger: { info() {}, warn() {}, error() {} } })

async function call(key: string): Promise<void> {
  for (;;) {
    try {
      const result = await store.dedupe.once(key, 3_600_000, async (tx) => {
        const { rows: [row] } = await tx.query<{ id: string }>('insert into effects (key, worker) values ($1, $2) returning id', [key, worker])
        process.send!({ working: key })
        await sleep(Math.random() * workMs)
        await tx.kv.increment(key)
        return { key, id: row!.id }
      }, { idleMs })
      process.send!({ key, result })
      return
    }
    catch (error) {
      // Its connection was ended with the transaction, or in the middle of it.
      if (!isStoreError(error) || !['CONNECTION', 'TIMEOUT'].includes(error.code)) throw error
      await sleep(5)
    }
  }
}

process.on('message', (keys: string[]) => void Promise.all(keys.map(async (key) => {
  await sleep(Math.random() * SPREAD_MS)
  await call(key)
})))
await store.ready()
process.send!({ ready: true })
