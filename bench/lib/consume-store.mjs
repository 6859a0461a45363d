import { runAll } from './load.mjs'
import { POOL_SIZE } from './peers.mjs'
import { openStore } from './store.mjs'

const CALLERS = 256
/** A prime number, so that items that take long belong to any subject. */
const SUBJECTS = 1009
/** Shorter than the default only so that a new process has its share sooner. */
const LEASE_MS = 6_000

/** The content of an item, the same for all contestants. */
export const itemOf = n => ({ n, total: 99.5, currency: 'EUR', items: ['book', 'pen'], customer: { name: 'Ada', city: 'London' } })

/**
 * What a process does for a contestant: `fill` and `add` write items, `join` prepares a worker, which handles items
 * between `resume` and `pause`.
 * @typedef {{ batch: number, each?: boolean, concurrency?: number, transaction?: string, wait?: string, timed?: boolean }} Work
 */

/** @param {{ url: string, source: import('./store.mjs').StoreSource }} given */
export async function openConsumingStore({ url, source }) {
  const store = await openStore(source, url, { poolSize: POOL_SIZE })
  const add = n => store.stream.append(`orders:${n % SUBJECTS}`, { type: 'order.placed', data: itemOf(n) })
  let consumer
  return {
    add,
    fill: (from, count) => runAll(count, CALLERS, n => add(from + n)),
    /** @param {Work} work */
    async join({ batch, each, transaction = 'batch', concurrency = 1 }, handle) {
      consumer = store.consume({
        name: 'bench', transaction, concurrency, batchSize: batch, leaseMs: LEASE_MS,
        ...each
          ? { handler: ({ data }) => handle([data.n]) }
          : { batchHandler: events => handle(events.map(({ data }) => data.n)) },
      })
      await consumer.start()
      consumer.pause()
    },
    /** Whether this process has its share of the shards. */
    async isReady(processes) {
      const { shards: { all, held, here } } = await consumer.status()
      return held === all && Math.abs(here - all / processes) < 1
    },
    resume: () => consumer.resume(),
    pause: () => consumer.pause(),
    async close() {
      await consumer?.stop()
      await store.close()
    },
  }
}
