import { setTimeout as sleep } from 'node:timers/promises'
import { createStore, isStoreError } from '../../../src/runtime/core/index'
import type { Lease } from '../../../src/runtime/core/index'

export interface LeasePlan {
  url: string
  worker: string
  consumer: string
  leaseMs: number
}

/** One worker that claims: notes every event with its lease, and acknowledges it, all of it or a part, or lets it fail. */
const { url, worker, consumer, leaseMs } = JSON.parse(process.argv[2]!) as LeasePlan
const store = createStore({ connection: url, poolSize: 4, logger: { info() {}, warn() {}, error() {} } })
const { leases } = store
const chance = (of: number) => Math.random() < of
let isStopping = false

async function handle(lease: Lease): Promise<void> {
  for (const { id } of lease.events) {
    await store.transaction(tx => tx.query('insert into effects (subject, event_id, token, worker) values ($1, $2, $3, $4)', [lease.subject, id, lease.token, worker]))
    if (chance(0.1)) await leases.renew(lease, { leaseMs })
    if (chance(0.05)) return leases.nack(lease, { error: 'now and then', event: id })
    if (chance(0.1)) await leases.ack(lease, { upTo: id })
  }
  // A worker that forgets about it.
  if (!chance(0.02)) await leases.ack(lease)
}

async function work(): Promise<void> {
  while (!isStopping) {
    try {
      const claimed = await leases.claim({ consumer, by: worker, limit: 1 + Math.floor(Math.random() * 12), leaseMs })
      for (const lease of claimed.sort(() => Math.random() - 0.5)) await handle(lease).catch(note)
      if (claimed.length === 0) await sleep(10)
    }
    catch (error) {
      note(error)
    }
  }
}

function note(error: unknown): void {
  process.send!({ failed: isStoreError(error) ? error.code : String(error) })
}

process.on('message', () => (isStopping = true))
await store.ready()
process.send!({ ready: true })
await Promise.all([work(), work()])
await store.close()
process.disconnect()
