import type { IndexEntry, IndexApi } from 'nvent-store-postgres/core'
import type { Order, OrderStatus, Totals } from '~/types/desk'

/** The stream of all that happens to orders; each transaction appends to it last, as its subject is one for all. */
export const DESK_LOG = 'desk:log'

const transitions: Record<OrderStatus, OrderStatus[]> = {
  placed: ['paid', 'cancelled'],
  paid: ['packed', 'cancelled'],
  packed: ['shipped', 'cancelled'],
  shipped: [],
  cancelled: [],
}

export const orderStatuses = Object.keys(transitions) as OrderStatus[]

/** An entry of the index `orders`: the id is the order number, the score the time it was placed. */
export function viewOrder({ id, score, metadata }: IndexEntry): Order {
  const status: OrderStatus = metadata?.status
  return {
    id,
    customer: metadata?.customer,
    status,
    items: metadata?.items,
    total: metadata?.total,
    events: metadata?.events,
    placedAt: score,
    next: transitions[status],
  }
}

const noTotals: Totals = {
  orders: 0,
  revenue: 0,
  byStatus: { placed: 0, paid: 0, packed: 0, shipped: 0, cancelled: 0 },
}

export function viewTotals(entry: IndexEntry | null): Totals {
  const { orders, revenue, byStatus }: Totals = { ...noTotals, ...entry?.metadata }
  return { orders, revenue, byStatus: { ...noTotals.byStatus, ...byStatus } }
}

/**
 * Adds a new order to the running totals, the entry `totals` of the index `desk`. Orders come here one by one: each
 * holds the lock of the order number it took, so only one of them can find the entry missing.
 */
export async function countOrder(index: IndexApi, total: number): Promise<void> {
  if (!await index.get('desk', 'totals')) await index.add('desk', 'totals', 0, noTotals)
  await index.increment('desk', 'totals', 'orders')
  await index.increment('desk', 'totals', 'revenue', total)
  await index.increment('desk', 'totals', 'byStatus.placed')
}

/** Moves an order from one count to another; a cancelled order is no revenue. */
export async function recountOrder(index: IndexApi, order: Order, status: OrderStatus): Promise<void> {
  await index.increment('desk', 'totals', `byStatus.${order.status}`, -1)
  await index.increment('desk', 'totals', `byStatus.${status}`)
  if (status === 'cancelled') await index.increment('desk', 'totals', 'revenue', -order.total)
}
