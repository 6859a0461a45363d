/** Gives up the event of a dead letter; those that wait behind it go on. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const id = letterIdOf(event)
  if (!await store.deadLetters.discard(id)) throw noLetter(id)
  return { id }
})
