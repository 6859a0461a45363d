/** What operators are shown of the events that consumers have given up, before anything happens, and what they may not put in their place. */
import { describe, expect, it } from 'vitest'
import { embeddedAndServer } from '../setup/backends'
import { append, lettersOf, poisoned, started } from '../setup/deadLetters'
import { eventually } from '../setup/eventually'

describe.each(embeddedAndServer)('dead letters on $name', ({ open, available }) => {
  it.runIf(available())('are previewed: what would change, what would fail, and nothing is kept', async () => {
    const { store, sql } = await open()
    await append(store, 'orders:1', { n: 1, fails: 'poison' }, { n: 2 }, { n: 3 }, { n: 4, fails: 'the fourth' }, { n: 5 })
    const previews: boolean[] = []
    const consumer = await started(store, {
      handler: async ({ data, subject }, { tx, preview }) => {
        previews.push(preview)
        await tx.kv.set(`seen:${data.n}`, true)
        await tx.kv.increment(`count:${subject}`)
        if (data.n === 3) await tx.query('delete from nvent_kv where key = $1', ['gone'])
        if (data.fails) throw new Error(data.fails as string)
      },
    })
    await store.kv.set('gone', 1)
    const [letter] = await lettersOf(store, 1)
    expect(await store.deadLetters.preview(letter!.id)).toMatchObject({ handled: 0, changes: [], failed: { event: { id: letter!.event.id }, error: { message: 'poison' } }, more: false })

    previews.length = 0
    const preview = await store.deadLetters.preview(letter!.id, { event: { data: { n: 1 } } })
    expect(preview).toEqual({
      handled: 3, more: false,
      changes: [{ schema: 'public', table: 'nvent_kv', inserted: 4, updated: 2, deleted: 1 }],
      failed: { event: expect.objectContaining({ data: { n: 4, fails: 'the fourth' } }) as unknown, error: expect.objectContaining({ message: 'the fourth' }) as unknown },
    })
    expect(previews).toEqual([true, true, true, true])
    expect(await store.deadLetters.preview(letter!.id, { event: { data: { n: 1 } }, limit: 2 })).toMatchObject({ handled: 2, failed: null, more: true })
    expect(await sql('select key from nvent_kv')).toEqual([{ key: 'gone' }])
    expect(await store.deadLetters.get(letter!.id)).toEqual(letter)
    expect(await consumer.status()).toMatchObject({ parked: 1 })

    await expect(store.deadLetters.preview('999999')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await started(store, { name: 'outside', transaction: 'none', handler: poisoned().handler, subjects: ['orders:1'] })
    const { letters: [outside] } = await eventually(async () => {
      const list = await store.deadLetters.list({ consumer: 'outside' })
      expect(list.letters).toHaveLength(1)
      return list
    })
    await expect(store.deadLetters.preview(outside!.id)).rejects.toMatchObject({ code: 'INVALID_CALL' })
  })

  it.runIf(available())('are previewed with the events of the wanted topics only', async () => {
    const { store } = await open()
    const { handler } = poisoned()
    await store.stream.append('orders:1', { type: 'a', data: { fails: 'poison' } }, { topics: ['mail'] })
    for (const [n, topic] of ['other', 'mail', 'other', 'mail'].entries()) await store.stream.append('orders:1', { type: 'a', data: { n } }, { topics: [topic] })
    await started(store, { topics: ['mail'], handler })
    const [letter] = await lettersOf(store, 1)
    expect(await store.deadLetters.preview(letter!.id, { event: { data: { n: -1 } } })).toMatchObject({ handled: 3, failed: null, more: false })
    expect(await store.deadLetters.preview(letter!.id, { event: { data: { n: -1 } }, limit: 2 })).toMatchObject({ handled: 2, more: true })
  })

  it.runIf(available())('are refused what can\'t replace an event', async () => {
    const { store } = await open()
    await append(store, 'orders:1', { fails: 'poison' })
    await started(store, { handler: poisoned().handler })
    const [letter] = await lettersOf(store, 1)
    for (const event of [{ id: '999' }, { ts: 1 }, { subject: 'orders:2' }, { type: '' }, { type: null }, 'event', [], { data: Number.NaN }]) {
      await expect(store.deadLetters.requeue(letter!.id, { event: event as never }), JSON.stringify(event)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    }
    await expect(store.deadLetters.requeue(letter!.id, { outOfOrder: 1 as never })).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'parked' })
  })
})
