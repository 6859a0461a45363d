// What issue and design ask for, by operation: multiples of the peer on PostgreSQL and of the peer on Redis.

/** At 64 callers. */
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

/** At one caller: nothing is slower than the peer, one round trip beats two. */
const ALONE = { peer: 1 }
const ONE_ROUND_TRIP = { peer: 1.5 }
const ROUND_TRIPS = new Set(['update-flat', 'update-nested', 'increment'])

/** Of the same statements sent by hand, once calls are made into batches. */
const CEILING = 0.8

/** @returns {{ peer?: number, redis?: number, ceiling?: number }} what is asked for; nothing for what is not */
export function goalsOf(operation, callers) {
  if (callers === 1) return ROUND_TRIPS.has(operation) ? ONE_ROUND_TRIP : ALONE
  return { ...(callers === 64 ? BUSY[operation] : {}), ceiling: CEILING }
}

export const GROWTH_LIMIT = 1.5
