/** Appends a note to an order's stream: `{ "text": "Gift wrap, please" }`. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const id = orderIdOf(event)
  const text = textOf(await readBody(event), 'text', 200)

  return store.transaction(async (tx) => {
    if (!await tx.index.get('orders', id)) throw problem(404, `There is no order ${id}.`)

    await tx.index.increment('orders', id, 'events')
    const noted = await tx.stream.append(`orders:${id}`, { type: 'order.noted', data: { text } })
    await tx.stream.append(DESK_LOG, { type: 'order.noted', data: { order: id } })
    return noted
  })
})
