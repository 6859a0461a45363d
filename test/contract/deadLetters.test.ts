/** What operators do with the events that consumers have given up, on every database. */
import { describe, expect, it } from 'vitest'
import { embeddedAndServer } from '../setup/backends'
import { append, lettersOf, poisoned, started } from '../setup/deadLetters'
import { eventually } from '../setup/eventually'

describe.each(embeddedAndServer)('dead letters on $name', ({ open, available }) => {
  it.runIf(available()).each(['each', 'none'] as const)('are edited and requeued: the handler gets the other data, and the original stays readable: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'orders:1', { n: 0 }, { n: 1, fails: 'poison' }, { n: 2 })
    const { seen, handler } = poisoned()
    const consumer = await started(store, { transaction, handler })
    const [letter] = await lettersOf(store, 1)
    await consumer.whenCaughtUp()

    // What replaces it fails as well: the subject is parked again, and shows what was tried.
    expect(await store.deadLetters.requeue(letter!.id, { event: { data: { n: 1, fails: 'still poison' } } })).toBe(true)
    await eventually(async () => expect(await store.deadLetters.get(letter!.id)).toMatchObject({
      state: 'parked', error: { message: 'still poison' }, event: { data: { n: 1, fails: 'poison' } }, replacement: { data: { fails: 'still poison' } },
    }))
    expect(seen).toEqual([['orders:1', 0]])

    expect(await store.deadLetters.requeue(letter!.id, { event: { ...letter!.event, data: { n: 'mended' }, note: 'by hand' } })).toBe(true)
    await eventually(() => expect(seen).toEqual([['orders:1', 0], ['orders:1', 'mended'], ['orders:1', 2]]))
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({
      state: 'edited', event: { data: { n: 1, fails: 'poison' } }, replacement: { id: letter!.event.id, type: 'order.paid', data: { n: 'mended' }, note: 'by hand' },
    })
    expect((await store.stream.read('orders:1'))[1]).toMatchObject({ data: { n: 1, fails: 'poison' } })
    // It is only kept to be read.
    expect(await store.deadLetters.requeue(letter!.id)).toBe(false)
    expect(await store.deadLetters.discard(letter!.id)).toBe(false)
    expect(await store.deadLetters.purge({ id: letter!.id })).toBe(1)
  })

  it.runIf(available())('are requeued with what replaced them before', async () => {
    const { store } = await open()
    await append(store, 'orders:1', { n: 1, fails: 'poison' }, { n: 2 })
    let isDown = true
    const seen: unknown[] = []
    await started(store, {
      handler: ({ data }) => {
        if (data.fails || isDown) throw new Error('no')
        seen.push(data.n)
      },
    })
    const [letter] = await lettersOf(store, 1)
    await store.deadLetters.requeue(letter!.id, { event: { data: { n: 'mended' } } })
    await eventually(async () => expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'parked', replacement: { data: { n: 'mended' } } }))
    isDown = false
    expect(await store.deadLetters.requeue(letter!.id)).toBe(true)
    await eventually(() => expect(seen).toEqual(['mended', 2]))
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'edited' })
  })

  it.runIf(available()).each(['each', 'none'] as const)('are discarded: the rest of the subject goes on in order, once: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'orders:1', { n: 0 }, { n: 1, fails: 'poison' }, { n: 2 }, { n: 3, fails: 'too' }, { n: 4 })
    await append(store, 'orders:2', { n: 0, fails: 'poison' }, { n: 1 })
    const { seen, handler } = poisoned()
    const consumer = await started(store, { transaction, handler })
    const first = (await lettersOf(store, 2)).find(({ subject }) => subject === 'orders:1')
    expect(await store.deadLetters.discard(first!.id)).toBe(true)
    expect(await store.deadLetters.get(first!.id)).toBeNull()
    expect(await store.deadLetters.discard(first!.id)).toBe(false)
    const second = await eventually(async () => {
      const { letters: [letter] } = await store.deadLetters.list({ subject: 'orders:1' })
      expect(letter?.event.data).toMatchObject({ n: 3 })
      return letter!
    })
    await append(store, 'orders:1', { n: 5 })
    expect(await store.deadLetters.discard(second.id)).toBe(true)
    await eventually(async () => expect(await consumer.status()).toMatchObject({ parked: 1, lag: 0 }))
    expect(seen).toEqual([0, 2, 4, 5].map(n => ['orders:1', n]))
  })

  it.runIf(available())('are listed by consumer, subject, type, state, time and error', async () => {
    const { store } = await open()
    await append(store, 'orders:1', { fails: 'Connection to the Carrier lost' })
    await append(store, 'orders:2', { fails: '100% wrong' })
    await store.stream.append('refunds:1', { type: 'refund.asked', data: { fails: 'password=hunter2 at redis://:s3cr3t@cache/0' } })
    await started(store, { handler: poisoned().handler })
    await lettersOf(store, 3)
    await started(store, { name: 'other', handler: poisoned().handler, onExhausted: 'skip', subjects: ['orders:1'] })
    const letters = await lettersOf(store, 4)
    const subjects = async (options: Parameters<typeof store.deadLetters.list>[0]) =>
      (await store.deadLetters.list(options)).letters.map(({ consumer, subject }) => `${consumer} ${subject}`).sort()
    expect(await subjects({ consumer: 'other' })).toEqual(['other orders:1'])
    expect(await subjects({ subject: 'orders:*', state: 'parked' })).toEqual(['fulfilment orders:1', 'fulfilment orders:2'])
    expect(await subjects({ subject: 'orders:?', consumer: 'fulfilment', limit: 1, cursor: null })).toHaveLength(1)
    expect(await subjects({ subject: 'orders' })).toEqual([])
    expect(await subjects({ types: ['refund.asked'] })).toEqual(['fulfilment refunds:1'])
    expect(await subjects({ state: 'skipped' })).toEqual(['other orders:1'])
    expect(await subjects({ error: 'the carrier' })).toEqual(['fulfilment orders:1', 'other orders:1'])
    expect(await subjects({ error: 'poisonerror' })).toHaveLength(4)
    expect(await subjects({ error: '%' })).toEqual(['fulfilment orders:2'])
    const { deadAt } = letters.at(-1)!
    expect(await subjects({ since: deadAt })).toContain('other orders:1')
    expect(await subjects({ until: deadAt })).not.toContain('other orders:1')
    expect(await subjects({ since: deadAt + 60_000 })).toEqual([])
    const refund = letters.find(({ subject }) => subject === 'refunds:1')!
    expect(JSON.stringify(await store.deadLetters.get(refund.id).then(letter => letter!.error))).not.toMatch(/hunter2|s3cr3t/)
    expect(refund.error).toMatchObject({ name: 'PoisonError', message: 'password=*** at redis://:***@cache/0', stack: expect.stringContaining('PoisonError') as string })
    for (const options of [{ subjects: ['a'] }, { state: 'dead' }, { types: 'a' }, { since: 'yesterday' }, { error: '' }, { limit: -1 }]) {
      await expect(store.deadLetters.list(options as never), JSON.stringify(options)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    }
  })

  it.runIf(available())('are requeued by subject, by filter, and no more than asked for', async () => {
    const { store } = await open()
    const subjects = Array.from({ length: 12 }, (_, at) => `orders:${at}`)
    for (const subject of subjects) await append(store, subject, { n: 1 }, { n: 2 })
    let isDown = true
    const seen: string[] = []
    const consumer = await started(store, {
      handler: ({ subject, data }) => {
        if (isDown) throw new Error('the service is down')
        seen.push(`${subject} ${data.n}`)
      },
    })
    await lettersOf(store, 12)
    isDown = false
    expect(await store.deadLetters.requeueSubject('other', 'orders:3')).toBe(false)
    expect(await store.deadLetters.requeueSubject('fulfilment', 'orders:*')).toBe(false)
    expect(await store.deadLetters.requeueSubject('fulfilment', 'orders:3')).toBe(true)
    expect(await store.deadLetters.requeueRange({ consumer: 'other' })).toBe(0)
    expect(await store.deadLetters.requeueRange({ error: 'another' })).toBe(0)
    expect(await store.deadLetters.requeueRange({ consumer: 'fulfilment', subject: 'orders:1*' })).toBe(3)
    expect(await store.deadLetters.requeueRange({ error: 'is down', limit: 2 })).toBe(2)
    expect((await store.deadLetters.list()).letters).toHaveLength(6)
    expect(await store.deadLetters.requeueRange()).toBe(6)
    await eventually(async () => expect(await consumer.status()).toMatchObject({ parked: 0, lag: 0 }))
    expect([...seen].sort()).toEqual(subjects.flatMap(subject => [`${subject} 1`, `${subject} 2`]).sort())
    for (const subject of subjects) expect(seen.indexOf(`${subject} 1`)).toBeLessThan(seen.indexOf(`${subject} 2`))
  })

  it.runIf(available())('that were skipped are handled out of order when that is asked for', async () => {
    const { store } = await open()
    await append(store, 'orders:1', { n: 1, fails: 'poison' }, { n: 2 })
    const { seen, handler } = poisoned()
    const consumer = await started(store, {
      onExhausted: 'skip', handler: async (event, { tx }) => {
        await tx.kv.increment('handled')
        handler(event)
      },
    })
    const [letter] = await lettersOf(store, 1)
    await consumer.whenCaughtUp()
    await expect(store.deadLetters.requeue(letter!.id)).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await expect(store.deadLetters.requeue(letter!.id, { outOfOrder: true })).rejects.toThrow('poison')
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'skipped', attempts: 2 })
    expect(await store.deadLetters.requeue(letter!.id, { outOfOrder: true, event: { data: { n: 'mended' } } })).toBe(true)
    expect(seen).toEqual([['orders:1', 2], ['orders:1', 'mended']])
    expect(await store.kv.get('handled')).toBe(2)
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'edited', event: { data: { n: 1 } }, replacement: { data: { n: 'mended' } } })
    expect(await store.deadLetters.requeue(letter!.id, { outOfOrder: true })).toBe(false)
  })

  it.runIf(available())('are purged by filter and age, but never those that something waits behind', async () => {
    const { store } = await open()
    await append(store, 'orders:1', { fails: 'poison' }, { n: 2 })
    await append(store, 'orders:2', { fails: 'poison' })
    await started(store, { handler: poisoned().handler })
    await started(store, { name: 'skipping', handler: poisoned().handler, onExhausted: 'skip' })
    const letters = await lettersOf(store, 4)
    const parked = letters.find(({ state }) => state === 'parked')!
    await expect(store.deadLetters.purge({ id: parked.id })).rejects.toMatchObject({ code: 'INVALID_CALL' })
    expect(await store.deadLetters.purge({ olderThanMs: 3_600_000 })).toBe(0)
    expect(await store.deadLetters.purge({ subject: 'orders:2', olderThanMs: 0 })).toBe(1)
    expect(await store.deadLetters.purge({ consumer: 'fulfilment' })).toBe(0)
    expect(await store.deadLetters.purge()).toBe(1)
    expect((await store.deadLetters.list()).letters.map(({ state }) => state)).toEqual(['parked', 'parked'])
  })

  it.runIf(available())('expire with the job of retention, but never those that something waits behind', async () => {
    const { store, sql } = await open({ deadLetterMaxAge: '1d' })
    await append(store, 'orders:1', { fails: 'poison' })
    await started(store, { handler: poisoned().handler })
    await started(store, { name: 'skipping', handler: poisoned().handler, onExhausted: 'skip' })
    await lettersOf(store, 2)
    expect(await store.admin.retention.run()).toMatchObject({ deadLetters: 0, events: 0 })
    await sql('update nvent_dead_letters set dead_at = dead_at - interval \'25 hours\'')
    // More than one step removes.
    await sql(`insert into nvent_dead_letters (consumer, subject, event_id, event, attempts, error, state, dead_at)
      select consumer, 'old', n, event, attempts, error, state, dead_at from nvent_dead_letters, generate_series(1, 1200) n where state = 'skipped'`)
    expect(await store.admin.retention.run()).toMatchObject({ busy: false, deadLetters: 1201 })
    expect((await store.deadLetters.list()).letters).toMatchObject([{ state: 'parked' }])
  })

  it.runIf(available())('are purged by any age', async () => {
    const { store } = await open()
    const { handler } = poisoned()
    await append(store, 'orders:1', { fails: 'poison' })
    await started(store, { onExhausted: 'skip', handler })
    await lettersOf(store, 1)
    for (const olderThanMs of [3e14, Number.MAX_SAFE_INTEGER]) expect(await store.deadLetters.purge({ olderThanMs })).toBe(0)
    expect(await store.deadLetters.purge({ olderThanMs: 0 })).toBe(1)
  })

  it.runIf(available())('that are edited are handled also when debounce has a newer event in their place', async () => {
    const { store } = await open()
    await append(store, 'orders:1', { n: 1, fails: 'poison' })
    const { seen, handler } = poisoned()
    const consumer = await started(store, { handler, debounce: { ms: 30 } })
    const [letter] = await lettersOf(store, 1)
    await append(store, 'orders:1', { n: 2 }, { n: 3 })
    await consumer.whenCaughtUp()
    expect(await store.deadLetters.requeue(letter!.id, { event: { data: { n: 'mended' } } })).toBe(true)
    await eventually(() => expect(seen).toEqual([['orders:1', 'mended'], ['orders:1', 3]]))
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'edited' })
  })
})
