/** What a requeued dead letter would do; nothing of it is kept. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const { handled, changes, failed } = await store.deadLetters.preview(letterIdOf(event))
  return { handled, changes: changes ?? [], failed: failed && { type: failed.event.type, error: failed.error.message } }
})
