/** The sorted indexes: `?status=paid` filters the orders. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const query = getQuery(event)
  const filter = query.status === undefined ? undefined : { status: oneOf(query, 'status', orderStatuses) }

  const orders = await exhibit(event, store.index.read('orders', { limit: 10, filter }))
  return {
    orders: { ...orders, result: orders.result.map(viewOrder) },
    totals: await exhibit(event, store.index.get('desk', 'totals')),
    flows: await exhibit(event, store.index.read(FLOWS)),
    runs: await exhibit(event, store.index.read(RUNS, { limit: 5 })),
  }
})
