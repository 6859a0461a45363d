/** Adds one to the scratch value. On a text the store refuses, with INVALID_VALUE, and the text stays. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  return { value: await store.kv.increment(scratchKey(sessionOf(event))) }
})
