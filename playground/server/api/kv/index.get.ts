/** What the key-value tier holds for this visitor. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const session = sessionOf(event)

  const cart = await exhibit(event, store.kv.get<Cart>(cartKey(session)))
  const used = await exhibit(event, store.kv.get<number>(limitKey(session)))
  return {
    cart,
    limit: { ...used, result: viewTurns(used.result) },
    lastOrder: await exhibit(event, store.kv.get<number>('orders:last')),
    scratch: await exhibit(event, store.kv.get<unknown>(scratchKey(session))),
  }
})
