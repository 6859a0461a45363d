/** Sells all of a product that is in stock. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const product = productOf(event)
  const left = await store.transaction(async tx => moveStock(tx.kv, product, -await moveStock(tx.kv, product, 0)))
  return { product, left }
})
