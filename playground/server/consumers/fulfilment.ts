import type { TransactionApi } from 'nvent-store-postgres/core'
import type { OrderItem, ParcelStatus } from '~/types/desk'

/**
 * Takes what is ordered from the stock and follows the parcel. All of it goes through `tx`, so it is done exactly once,
 * in any number of processes. An order for which the stock is not enough is parked after three attempts, with all that
 * happens to it later; the other orders go on.
 */
export default defineConsumer({
  subjects: ['orders:*'],
  types: FULFILLED_TYPES,
  // Orders of the same products wait for each other: short transactions keep that short.
  transaction: 'each',
  maxAttempts: 3,
  backoff: { first: 250, max: 1000 },
  leaseMs: 10_000,
  handler: async ({ type, subject, ts, data }, { tx }) => {
    const order = subject.slice('orders:'.length)
    if (type === 'order.placed') return reserve(tx, order, ts, data.items)

    const parcel = await tx.index.get('parcels', order)
    // Nothing was taken for an order whose first event was discarded.
    if (!parcel) return
    if (type === 'order.shipped') return move(tx, order, 'sent')
    await putBack(tx, parcel.metadata?.items)
    await move(tx, order, 'returned')
  },
})

async function reserve(tx: TransactionApi, order: string, ts: number, items: OrderItem[]): Promise<void> {
  // In the order of the catalogue, as in every order: two transactions never wait for each other's products.
  for (const { product, quantity } of items) {
    const left = await moveStock(tx.kv, product, -quantity)
    if (left < 0) throw new Error(`Order ${order} needs ${quantity} × ${product}, and ${left + quantity} are left.`)
  }
  const parcel = Object.fromEntries(items.map(({ product, quantity }) => [product, quantity]))
  await tx.index.add('parcels', order, ts, { status: 'reserved', items: parcel })
  await record(tx, order, 'reserved')
}

async function putBack(tx: TransactionApi, items: Record<string, number>): Promise<void> {
  for (const { id } of products) {
    if (items[id]) await moveStock(tx.kv, id, items[id])
  }
}

async function move(tx: TransactionApi, order: string, status: ParcelStatus): Promise<void> {
  await tx.index.update('parcels', order, { status })
  await record(tx, order, status)
}

/** Appends last: readers of the global order wait until a transaction that has appended is over. */
async function record(tx: TransactionApi, order: string, status: ParcelStatus): Promise<void> {
  const type = `parcel.${status}`
  await tx.stream.append(`parcels:${order}`, { type, data: { worker: process.pid } })
  await tx.stream.append(DESK_LOG, { type, data: { order } })
}
