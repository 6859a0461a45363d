/** Tries a dead letter again, and then the events that wait behind it. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const id = letterIdOf(event)
  if (!await store.deadLetters.requeue(id)) throw noLetter(id)
  return { id }
})
