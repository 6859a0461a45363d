import type { KvApi } from 'nvent-store-postgres/core'
import type { StockLine } from '~/types/desk'

/** What there is of each product before the first order. */
const OPENING_STOCK = 5000

/** What has come in since then, less what has gone out: a counter that is missing counts as 0. */
export const stockKey = (product: string): string => `stock:${product}`

/** Puts something in stock, or takes it out, and returns what is left. The row stays locked until the transaction ends. */
export async function moveStock(kv: KvApi, product: string, by: number): Promise<number> {
  return OPENING_STOCK + await kv.increment(stockKey(product), by)
}

export function viewStock(counters: (number | null)[]): StockLine[] {
  return products.map((product, at) => ({ product, left: OPENING_STOCK + (counters[at] ?? 0) }))
}
