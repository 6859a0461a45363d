/** Forgets this visitor: the cart, the limit and the scratch value. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  return { deleted: await store.kv.clear(`desk:${sessionOf(event)}:*`) }
})
