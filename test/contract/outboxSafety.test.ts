/** What may be removed from the outbox, and whose messages are counted, on every database. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Consumer, RelayOptions } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer } from '../setup/backends'
import { eventually } from '../setup/eventually'

const quick = { pollInterval: 20, leaseMs: 20_000, backoff: { first: 20, max: 100 }, shards: 4 }

function relayOf(store: Store, options: Partial<RelayOptions> = {}) {
  const seen: unknown[] = []
  const relay = store.outbox.relay({ ...quick, publish: ({ data }) => void seen.push(data), ...options })
  onTestFinished(() => relay.stop())
  return { relay, seen }
}

/** What the outbox holds. */
async function left(store: Store): Promise<unknown[]> {
  const data: unknown[] = []
  for await (const { event, subject } of store.stream.readAll()) if (subject.startsWith('nvent:outbox:')) data.push(event.data as unknown)
  return data
}

/** A relay cleans up when it starts: once the probe, which is its own alone, is gone, all that it may remove is gone. */
async function cleanUp(store: Store, relay: Consumer, topic: string) {
  await relay.start()
  await store.outbox.enqueue('probe', { topics: [topic] })
  await relay.whenCaughtUp()
  await relay.stop()
  await relay.start()
  await eventually(async () => expect(await left(store)).not.toContain('probe'))
  await relay.stop()
}

describe.each(embeddedAndServer)('the outbox on $name', ({ open, available }) => {
  it.runIf(available()).each<['now' | 'position']>([['now'], ['position']])('never removes what came before the beginning of a relay: from %s', async (kind) => {
    const { store } = await open()
    await store.outbox.enqueue('before', { topics: ['mail'] })
    const { id } = await store.outbox.enqueue('before, of a key', { topics: ['mail'], key: 'k' })
    const { relay, seen } = relayOf(store, { from: kind === 'now' ? 'now' : id })
    await cleanUp(store, relay, 'mail')
    expect(await left(store)).toEqual(['before', 'before, of a key'])
    // Another one publishes it.
    const other = relayOf(store, { name: 'from the start' })
    await other.relay.start()
    await eventually(() => expect(other.seen).toEqual(expect.arrayContaining(['before', 'before, of a key'])))
    expect(seen).toEqual(['probe'])
    await other.relay.stop()
    await other.relay.start()
    await eventually(async () => expect(await left(store)).toEqual([]))
  })

  it.runIf(available())('never removes what a relay passed over: after a reset, with other topics than before, as a consumer', async () => {
    const { store } = await open()
    const mail = relayOf(store, { topics: ['mail'] })
    await mail.relay.start()
    await store.outbox.enqueue('of no relay', { topics: ['audit'] })
    await mail.relay.whenCaughtUp()
    await mail.relay.stop()
    const { id } = await store.outbox.enqueue('passed over', { topics: ['mail'] })
    expect(await store.admin.consumers.reset('outbox', { to: id })).toBe(true)
    const both = relayOf(store, { topics: ['mail', 'audit'] })
    await cleanUp(store, both.relay, 'mail')
    expect(await left(store)).toEqual(['of no relay', 'passed over'])
    await expect(store.consume({ name: 'outbox', shards: quick.shards, handler() {} }).start()).rejects.toMatchObject({ code: 'INVALID_CALL', message: expect.stringContaining('relay') as string })
    await store.admin.consumers.reset('outbox', { to: 'start' })
    await cleanUp(store, both.relay, 'mail')
    expect(both.seen).toEqual(expect.arrayContaining(['of no relay', 'passed over']))
    expect(await left(store)).toEqual([])
  })

  it.runIf(available()).each<[string, RelayOptions['topics']]>([
    ['the same topics', ['mail']], ['all topics', undefined], ['another topic of the message', ['audit']],
    ['each of its topics', { mode: 'all', topics: ['audit', 'mail'] }], ['other topics excluded', { mode: 'exclude', topics: ['probe'] }],
  ])('keeps a message until all of its relays have published it: one for %s', async (_, topics) => {
    const { store } = await open()
    const slow = relayOf(store, { name: 'slow', ...topics && { topics } })
    await slow.relay.start()
    await slow.relay.stop()
    await store.outbox.enqueue('shared', { topics: ['mail', 'audit'], key: 'k' })
    await store.outbox.enqueue('of the fast one', { topics: ['probe'] })
    const fast = relayOf(store, { name: 'fast', topics: ['mail', 'probe'] })
    await fast.relay.start()
    await fast.relay.whenCaughtUp()
    await fast.relay.stop()
    await fast.relay.start()
    if (topics) await eventually(async () => expect(await left(store)).toEqual(['shared']))
    await slow.relay.start()
    await eventually(() => expect(slow.seen).toContain('shared'))
    await slow.relay.whenCaughtUp()
    await slow.relay.stop()
    await slow.relay.start()
    await fast.relay.stop()
    await fast.relay.start()
    await eventually(async () => expect(await left(store)).toEqual([]))
  })

  it.runIf(available())('keeps a message while another relay tries it again or keeps it, and no longer once that one is removed', async () => {
    const { store } = await open()
    const failing = relayOf(store, { name: 'failing', topics: ['mail'], publish() {
      throw new Error('down')
    } })
    const keeping = relayOf(store, { name: 'keeping', topics: ['kept'], keepMs: 1e9 })
    await failing.relay.start()
    await keeping.relay.start()
    await store.outbox.enqueue('tried again', { topics: ['mail'], key: 'k' })
    await store.outbox.enqueue('kept', { topics: ['kept'] })
    await eventually(async () => expect(await failing.relay.status()).toMatchObject({ parked: 1, lag: 0 }))
    await keeping.relay.whenCaughtUp()
    const other = relayOf(store, { topics: ['mail', 'kept', 'probe'] })
    await cleanUp(store, other.relay, 'probe')
    expect(await left(store)).toEqual(['tried again', 'kept'])
    for (const { relay } of [failing, keeping]) {
      await relay.stop()
      expect(await store.admin.consumers.remove(relay.name)).toBe(true)
    }
    await cleanUp(store, other.relay, 'probe')
    expect(await left(store)).toEqual([])
  })

  it.runIf(available())('counts for a relay what it publishes, and nothing else: before its first start, behind it, and of parked keys', async () => {
    const { store } = await open()
    await store.outbox.enqueue(1, { topics: ['mail'] })
    const { id } = await store.outbox.enqueue(2, { topics: ['audit'], key: 'k' })
    await store.outbox.enqueue(3, { topics: ['mail'], key: 'k' })
    await store.stream.append('orders:1', { type: 'of the caller', meta: { topics: 'text' } } as never)
    const counted = async (options: Partial<RelayOptions>) => {
      relayOf(store, { name: 'new', ...options })
      const { pending, topics } = await store.outbox.stats({ name: 'new' })
      return [pending, topics]
    }
    expect(await counted({})).toEqual([3, { mail: 2, audit: 1 }])
    expect(await counted({ topics: ['mail'] })).toEqual([2, { mail: 2 }])
    expect(await counted({ topics: { mode: 'exclude', topics: ['mail'] } })).toEqual([2, { audit: 1 }])
    expect(await counted({ topics: ['mail'], from: id })).toEqual([1, { mail: 1 }])
    expect(await counted({ topics: ['mail'], from: 'now' })).toEqual([0, {}])

    let isDown = true
    const { relay } = relayOf(store, { name: 'audit', topics: ['audit'], publish() {
      if (isDown) throw new Error('down')
    } })
    await relay.start()
    await eventually(async () => expect(await relay.status()).toMatchObject({ lag: 0, parked: 1 }))
    await store.outbox.enqueue(4, { topics: ['mail'], key: 'k' })
    await relay.whenCaughtUp()
    expect(await store.outbox.stats({ name: 'audit' })).toMatchObject({ pending: 1, topics: { audit: 1 }, waiting: 1 })
    isDown = false
    await eventually(async () => expect(await relay.status()).toMatchObject({ lag: 0, parked: 0 }))
    await relay.stop()
    await store.outbox.enqueue(5, { topics: ['mail'] })
    await store.outbox.enqueue(6, { topics: ['audit', 'mail'] })
    expect(await store.outbox.stats({ name: 'audit' })).toMatchObject({ pending: 1, topics: { audit: 1, mail: 1 }, waiting: 0 })
  })
})
