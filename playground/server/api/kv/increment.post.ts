/** Adds one to the scratch value. On a string the store refuses with INVALID_VALUE and changes nothing. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  return { value: await store.kv.increment(scratchKey(sessionOf(event))) }
})
