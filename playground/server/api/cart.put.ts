/** Sets how many of one product are in the cart; every change gives the cart its full time to live again. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const session = sessionOf(event)
  const body: unknown = await readBody(event)
  const product = oneOf(body, 'product', products.map(({ id }) => id))
  const quantity = integerOf(body, 'quantity', 0, MAX_QUANTITY)

  const cart = await store.kv.get<Cart>(cartKey(session))
  const { [product]: _, ...others } = cart?.quantities ?? {}
  const quantities = quantity > 0 ? { ...others, [product]: quantity } : others
  return viewCart(await saveCart(store.kv, session, quantities))
})
