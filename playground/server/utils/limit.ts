import type { KvApi } from 'nvent-store-postgres/core'
import type { TurnView } from '~/types/desk'

export const ORDERS_PER_WINDOW = 5
export const WINDOW_SECONDS = 60

/** One counter per visitor and minute: a new minute is a new key, and the old one expires by itself. */
export const limitKey = (session: string, now = Date.now()): string =>
  `desk:${session}:limit:${Math.floor(now / 1000 / WINDOW_SECONDS)}`

/**
 * Counts one order, or throws 429. Call it first in a transaction: the counter's row stays locked until the end, so a
 * double click waits here, and an order that fails later is not counted.
 */
export async function takeTurn(kv: KvApi, session: string): Promise<void> {
  const key = limitKey(session)
  const used = await kv.increment(key)
  const seconds = Math.ceil((viewTurns(used).resetsAt - Date.now()) / 1000)
  if (used === 1) await kv.set(key, used, seconds)
  if (used <= ORDERS_PER_WINDOW) return

  throw problem(429, `At most ${ORDERS_PER_WINDOW} orders a minute. You can order again in ${seconds} s.`, 'RATE_LIMIT')
}

export function viewTurns(used: number | null, now = Date.now()): TurnView {
  const window = WINDOW_SECONDS * 1000
  return { used: used ?? 0, allowed: ORDERS_PER_WINDOW, resetsAt: (Math.floor(now / window) + 1) * window }
}
