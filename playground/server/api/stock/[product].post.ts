/** Puts a delivery of a product in stock: `{ "quantity": 20 }`. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const product = productOf(event)
  const quantity = integerOf(await readBody(event), 'quantity', 1, 100)
  return { product, left: await moveStock(store.kv, product, quantity) }
})
