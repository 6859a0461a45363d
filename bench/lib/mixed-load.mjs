import { eventOf, operations } from './workloads.mjs'

/** How many of a hundred calls are of each kind: all operations, and calls that could leak memory. */
const MIX = {
  'append': 20, 'read': 5, 'add': 10, 'get': 15, 'update-flat': 10, 'update-nested': 5, 'increment': 5, 'index-read': 5, 'kv-set': 8, 'kv-get': 12,
}
const START = 1_750_000_000_000

/** Calls with new values each time: subjects, keys, names of fields in filters and patches, transactions. */
const fresh = [
  (store, i) => store.stream.append(`orders:${i}`, eventOf(i)),
  (store, i) => store.kv.set(`fresh:${i}`, { i }, 60),
  (store, i) => store.index.add('orders', `order-${i}`, START + i, { status: 'placed', [`field${i % 5000}`]: i }),
  (store, i) => store.index.read('orders', { limit: 5, filter: { [`field${i % 5000}`]: i } }),
  (store, i) => store.transaction(async (tx) => {
    await tx.stream.append('orders:shared', eventOf(i))
    await tx.kv.increment('orders')
  }),
]

const deck = Object.entries(MIX).flatMap(([name, share]) => Array.from({ length: share }, () => operations[name].call))

/** Makes one call of the mix; `random` gives an integer below its argument. */
export function mixedCall(store, keys, random, i) {
  const card = random(deck.length + fresh.length)
  return card < deck.length ? deck[card](store, random(keys), i) : fresh[card - deck.length](store, i)
}
