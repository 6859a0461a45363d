/** Everything the desk shows. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const session = sessionOf(event)

  // Before the rest is read: the page follows the log from here, and misses nothing.
  const [latest] = await store.stream.read(DESK_LOG, { order: 'desc', limit: 1 })
  const [cart, used, orders, totals] = await Promise.all([
    store.kv.get<Cart>(cartKey(session)),
    store.kv.get<number>(limitKey(session)),
    store.index.read('orders', { limit: 20 }),
    store.index.get('desk', 'totals'),
  ])

  return {
    position: latest?.id ?? '0',
    products,
    cart: viewCart(cart),
    turns: viewTurns(used),
    orders: orders.map(viewOrder),
    totals: viewTotals(totals),
  }
})
