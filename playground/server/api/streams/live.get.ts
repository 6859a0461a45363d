/** Sends the events of `?subject=` to the browser as they are appended, by whichever process (server-sent events). */
export default defineEventHandler(async (event) => {
  const subject = subjectOf(getQuery(event))
  const messages = createEventStream(event)

  const subscription = await useStore().stream.subscribe(
    subject,
    record => messages.push({ id: record.id, data: JSON.stringify(record) }),
    { onError: () => messages.close() },
  )
  messages.onClosed(() => subscription.unsubscribe())

  const sent = messages.send()
  await messages.push({ event: 'ready', data: subject })
  return sent
})
