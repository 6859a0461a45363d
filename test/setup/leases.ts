/** A consumer whose events are claimed. */
import type { ClaimOptions, Lease, OpenOptions } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { numberOf } from './consumers'

export const CONSUMER = 'pulled'
export const open = (store: Store, options: Partial<OpenOptions> = {}) => store.leases.open({ consumer: CONSUMER, shards: 8, backoff: { first: 0, max: 0 }, ...options })
export const claim = (store: Store, options: Partial<ClaimOptions> = {}) => store.leases.claim({ consumer: CONSUMER, by: 'worker', ...options })
/** What leases hold, by subject. */
export const held = (leases: Lease[]) => Object.fromEntries(leases.map(({ subject, events }) => [subject, events.map(numberOf)]))
export const lost = { code: 'LEASE_LOST' }

/** Claims and acknowledges until nothing comes any more. Returns what came, by subject. */
export async function drain(store: Store, options?: Partial<ClaimOptions>): Promise<Record<string, number[]>> {
  const seen: Record<string, number[]> = {}
  for (;;) {
    const leases = await claim(store, options)
    if (leases.length === 0) return seen
    for (const lease of leases) {
      (seen[lease.subject] ??= []).push(...lease.events.map(numberOf))
      await store.leases.ack(lease)
    }
  }
}
