import type { ShownEvent } from '~/types/desk'

/** The event streams: `?subject=orders:1001&order=desc`; without a subject the newest order's. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const query = getQuery(event)
  const order = query.order === undefined ? 'asc' : oneOf(query, 'order', ['asc', 'desc'])

  const orders = await store.index.read('orders', { limit: 8 })
  const runs = await store.index.read(RUNS, { limit: 4 })
  const subjects = [...orders.map(({ id }) => `orders:${id}`), ...runs.map(({ id }) => runSubject(id))]

  const subject = query.subject === undefined ? subjects[0] : subjectOf(query)
  if (subject === undefined) return { subjects, subject: null, events: null, latest: null }

  return {
    subjects,
    subject,
    events: await exhibit<ShownEvent[]>(event, store.stream.read(subject, order === 'desc' ? { order } : undefined)),
    latest: await exhibit<ShownEvent[]>(event, store.stream.read(subject, { order: 'desc', limit: 1 })),
  }
})
