// The performance goals by operation, as multiples of the peer on PostgreSQL and of the peer on Redis.

/** Goals with 64 callers. */
const BUSY = {
  'append': { peer: 6, redis: 1 },
  'read': { peer: 2 },
  'add': { peer: 5, redis: 1 },
  'get': { peer: 6, redis: 2 },
  'update-flat': { peer: 8, redis: 1 },
  'update-nested': { peer: 6 },
  'increment': { peer: 40, redis: 2 },
  'index-read': { peer: 2 },
  'kv-set': { peer: 8, redis: 1 },
  'kv-get': { peer: 12, redis: 1.3 },
}

/** Goals with one caller: no operation is slower than the peer, and one round trip is faster than two. */
const ALONE = { peer: 1 }
const ONE_ROUND_TRIP = { peer: 1.5 }
const ROUND_TRIPS = new Set(['update-flat', 'update-nested', 'increment'])

/** Minimum share of the rate of the same statements sent without the store, where calls are batched. */
const CEILING = 0.8

/** @returns {{ peer?: number, redis?: number, ceiling?: number }} only the goals that exist */
export function goalsOf(operation, callers) {
  if (callers === 1) return ROUND_TRIPS.has(operation) ? ONE_ROUND_TRIP : ALONE
  return { ...(callers === 64 ? BUSY[operation] : {}), ceiling: CEILING }
}

export const GROWTH_LIMIT = 1.5
