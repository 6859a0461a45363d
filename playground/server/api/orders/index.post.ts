/** Turns the cart into an order: the event, the index entry, the totals and the empty cart, or nothing at all. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const session = sessionOf(event)
  const customer = textOf(await readBody(event), 'customer', 60)

  const order = await store.transaction(async (tx) => {
    await takeTurn(tx.kv, session)

    const { lines, total } = viewCart(await tx.kv.get<Cart>(cartKey(session)))
    if (lines.length === 0) throw problem(400, 'The cart is empty or has expired.')

    const id = String(1000 + await tx.kv.increment('orders:last'))
    const items = lines.map(({ product, quantity, amount }) => ({ product: product.id, quantity, amount }))
    const placed = await tx.stream.append(`orders:${id}`, { type: 'order.placed', data: { customer, items, total } })

    const count = lines.reduce((sum, { quantity }) => sum + quantity, 0)
    await tx.index.add('orders', id, placed.ts, { customer, status: 'placed', items: count, total, events: 1 })
    await countOrder(tx.index, total)
    await tx.kv.delete(cartKey(session))
    await tx.stream.append(DESK_LOG, { type: 'order.placed', data: { order: id } })
    return { id, total }
  })

  setResponseStatus(event, 201)
  return order
})
