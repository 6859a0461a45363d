import type { ParkedLetter } from '~/types/desk'

/** How the consumer of the desk is doing: its progress, what it has given up, the stock it takes from and its parcels. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())

  // Before the rest is read: the page follows the log from here, and misses nothing.
  const [latest] = await store.stream.read(DESK_LOG, { order: 'desc', limit: 1 })
  const { call, result } = await exhibit(event, store.deadLetters.list({ consumer: FULFILMENT, state: 'parked', limit: 10 }))
  const letters = await Promise.all(result.letters.map(async (letter): Promise<ParkedLetter> => {
    const { id, subject, event: { id: after }, attempts, error: { message } } = letter
    const behind = await store.stream.read(subject, { after, types: FULFILLED_TYPES })
    return { id, subject, event: letter.event, attempts, error: message, waiting: behind.map(({ type }) => type) }
  }))
  const stock = await exhibit(event, store.kv.getMany<number>(products.map(({ id }) => stockKey(id))))

  return {
    position: latest?.id ?? '0',
    consumer: await exhibit(event, store.admin.consumers.get(FULFILMENT)),
    letters: { call, result: letters },
    stock: { ...stock, result: viewStock(stock.result) },
    parcels: await exhibit(event, store.index.read('parcels', { limit: 5 })),
  }
})
