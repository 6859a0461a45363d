/** Moves an order on: `{ "status": "paid" }`. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const id = orderIdOf(event)
  const status = oneOf(await readBody(event), 'status', orderStatuses)

  return store.transaction(async (tx) => {
    const entry = await tx.index.get('orders', id)
    if (!entry) throw problem(404, `There is no order ${id}.`)

    const order = viewOrder(entry)
    if (!order.next.includes(status)) {
      throw problem(409, `Order ${id} is ${order.status}: it can't become ${status}.`)
    }

    const moved = await tx.index.update('orders', id, { status }, { expectedVersion: entry.metadata?.version })
    if (!moved) throw problem(409, `Order ${id} was changed by another request.`)

    await tx.stream.append(`orders:${id}`, { type: `order.${status}`, data: { from: order.status } })
    await tx.index.increment('orders', id, 'events')
    await recountOrder(tx.index, order, status)
    await tx.stream.append(DESK_LOG, { type: `order.${status}`, data: { order: id } })
    return { id, status }
  })
})
