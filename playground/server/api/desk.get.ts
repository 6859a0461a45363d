/** Everything the desk shows. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const session = sessionOf(event)

  const [cart, used, orders, totals] = await Promise.all([
    store.kv.get<Cart>(cartKey(session)),
    store.kv.get<number>(limitKey(session)),
    store.index.read('orders', { limit: 20 }),
    store.index.get('desk', 'totals'),
  ])

  return {
    products,
    cart: viewCart(cart),
    turns: viewTurns(used),
    orders: orders.map(viewOrder),
    totals: viewTotals(totals),
  }
})
