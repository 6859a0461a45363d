/** Topics, the outbox and its relays, on every database. */
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Consumer, OutboxMessage, RelayOptions } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer } from '../setup/backends'
import { eventually } from '../setup/eventually'

const quick = { pollInterval: 20, leaseMs: 20_000, backoff: { first: 20, max: 100 } }
const range = (count: number) => Array.from({ length: count }, (_, at) => at)

async function relayed(store: Store, options: RelayOptions) {
  const relay = store.outbox.relay({ ...quick, ...options })
  await relay.start()
  onTestFinished(() => relay.stop())
  return relay
}

/** Publishes into a list. */
async function published(store: Store, options: Partial<RelayOptions> = {}) {
  const messages: OutboxMessage[] = []
  const relay = await relayed(store, { publish: message => void messages.push(message), ...options })
  return { messages, relay }
}

describe.each(embeddedAndServer)('the outbox on $name', ({ open, available }) => {
  it.runIf(available())('publishes a message if, and only if, its transaction was committed', async () => {
    const { store } = await open()
    const { messages, relay } = await published(store)
    await store.transaction(async (tx) => {
      await tx.stream.append('orders:1', { type: 'order.paid' })
      await tx.outbox.enqueue({ order: 1 }, { topics: ['mail', 'mail'], meta: { correlationId: 'c' } })
    })
    await expect(store.transaction(async (tx) => {
      await tx.outbox.enqueue({ order: 2 }, { topics: ['mail'] })
      throw new Error('rolled back')
    })).rejects.toThrow('rolled back')
    const { id } = await store.outbox.enqueue(null, { topics: ['other'], key: 'k', type: 'ping' })
    await relay.whenCaughtUp()
    expect(messages).toHaveLength(2)
    expect(messages).toEqual(expect.arrayContaining([
      { id: expect.any(String) as string, type: 'message', data: { order: 1 }, topics: ['mail'], key: null, ts: expect.any(Number) as number, meta: { correlationId: 'c' } },
      { id, type: 'ping', data: null, topics: ['other'], key: 'k', ts: expect.any(Number) as number, meta: {} },
    ]))
  })

  it.runIf(available())('publishes events that were appended with topics, and those of wanted topics only', async () => {
    const { store } = await open()
    await store.stream.append('orders:1', { type: 'a' }, { topics: ['mail'] })
    await store.stream.appendMany('orders:1', [{ type: 'b' }, { type: 'c' }], { topics: ['mail', 'audit'] })
    await store.stream.append('orders:1', { type: 'd' })
    await store.stream.append('orders:1', { type: 'e', meta: { topics: 'of the caller' } } as never)
    const all = await published(store)
    const audit = await published(store, { name: 'audit', topics: ['audit'] })
    const notAudit = await published(store, { name: 'rest', topics: { mode: 'exclude', topics: ['audit'] } })
    const both = await published(store, { name: 'both', topics: { mode: 'all', topics: ['mail', 'audit'] } })
    await Promise.all([all, audit, notAudit, both].map(({ relay }) => relay.whenCaughtUp()))
    const types = ({ messages }: { messages: OutboxMessage[] }) => messages.map(({ type }) => type)
    expect([types(all), types(audit), types(notAudit), types(both)]).toEqual([['a', 'b', 'c'], ['b', 'c'], ['a', 'd', 'e'], ['b', 'c']])
    expect(all.messages[1]).toMatchObject({ key: 'orders:1', topics: ['mail', 'audit'] })
  })

  it.runIf(available())('keeps the order of a key while its first message fails, and lets others go on', async () => {
    const { store } = await open()
    for (const n of range(4)) for (const key of ['bad', 'good']) await store.outbox.enqueue(n, { topics: ['t'], key })
    let failures = 0
    const seen: string[] = []
    const relay = await relayed(store, { publish({ key, data }) {
      if (key === 'bad' && data === 1 && failures++ < 3) throw new Error('target is down')
      seen.push(`${key} ${String(data)}`)
    } })
    await eventually(async () => expect(await relay.status()).toMatchObject({ lag: 0, parked: 0 }))
    for (const key of ['bad', 'good']) expect(seen.filter(each => each.startsWith(key))).toEqual(range(4).map(n => `${key} ${n}`))
    expect(seen.indexOf('good 3')).toBeLessThan(seen.indexOf('bad 1'))
  })

  it.runIf(available())('holds a message back until it is due, without an attempt, and those of its key behind it', async () => {
    const { store } = await open()
    const since = Date.now()
    await store.outbox.enqueue('late', { topics: ['t'], key: 'k', delayMs: 1_500 })
    await store.outbox.enqueue('behind', { topics: ['t'], key: 'k' })
    await store.outbox.enqueue('now', { topics: ['t'] })
    const seen: [unknown, number][] = []
    let lateAt = 0
    const relay = await relayed(store, { maxAttempts: 1, publish({ data }, { attempt }) {
      if (data === 'late') lateAt = Date.now()
      seen.push([data, attempt])
    } })
    expect(await store.outbox.stats()).toMatchObject({ topics: { t: expect.any(Number) as number } })
    await eventually(async () => expect(await relay.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(seen.filter(([data]) => data !== 'now')).toEqual([['late', 1], ['behind', 1]])
    expect(seen).toContainEqual(['now', 1])
    expect(lateAt).toBeGreaterThanOrEqual(since + 1_500)
  })

  it.runIf(available())('tells what is pending, and removes what is published', async () => {
    const { store, sql } = await open()
    for (const n of range(3)) await store.outbox.enqueue(n, { topics: ['a'] })
    const { id } = await store.outbox.enqueue('both', { topics: ['a', 'b'], key: 'k' })
    await store.stream.append('orders:1', { type: 'paid' }, { topics: ['b'] })
    await store.stream.append('nvent:flow:run:1', { type: 'done', runId: '1' }, { topics: ['b'] })
    expect(await store.outbox.stats()).toEqual({ pending: 6, oldestAt: expect.any(Number) as number, topics: { a: 4, b: 3 }, waiting: 0 })
    let isDown = true
    const relay = await relayed(store, { publish(message) {
      if (isDown && message.id === id) throw new Error('down')
    } })
    await eventually(async () => expect(await store.outbox.stats()).toMatchObject({ pending: 1, topics: { a: 1, b: 1 }, waiting: 1 }))
    isDown = false
    await eventually(async () => expect(await store.outbox.stats()).toEqual({ pending: 0, oldestAt: null, topics: {}, waiting: 0 }))
    await relay.stop()
    // Starts with cleaning up.
    await relayed(store, { publish() {} })
    await eventually(async () => expect(await sql('select count(*)::int as events from nvent_events where subject like \'%:outbox:%\'')).toEqual([{ events: 0 }]))
    expect(await sql('select subject from nvent_heads where subject like \'%:outbox:%\'')).toEqual([{ subject: 'nvent:outbox:key:k' }])
    expect(await store.stream.read('orders:1')).toHaveLength(1)
  })

  it.runIf(available()).each<[string, unknown, unknown, string]>([
    ['no topics', 1, {}, 'options.topics'],
    ['an empty list', 1, { topics: [] }, 'options.topics'],
    ['a topic that is no text', 1, { topics: [1] }, 'options.topics.0'],
    ['a delay below 0', 1, { topics: ['t'], delayMs: -1 }, 'options.delayMs'],
    ['an empty key', 1, { topics: ['t'], key: '' }, 'options.key'],
    ['a message that is no JSON', 1n, { topics: ['t'] }, 'data'],
    ['an unknown option', 1, { topics: ['t'], delay: 1 }, 'delay'],
  ])('refuses %s by name', async (_, message, options, name) => {
    const { store } = await open()
    await expect(store.outbox.enqueue(message, options as never)).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining(name) as string })
  })

  it.runIf(available())('counts what was published and what failed, by topic', async () => {
    const { store } = await open()
    let attempts = 0
    const { relay } = await published(store, {
      publish: ({ topics }) => {
        if (topics.includes('audit') && ++attempts < 3) throw new Error('the target is away')
      },
    })
    await store.outbox.enqueue('a', { topics: ['mail', 'audit'] })
    await store.outbox.enqueue('b', { topics: ['mail'] })
    await eventually(() => expect(store.admin.metrics().outbox).toEqual({ topics: { mail: { published: 2, failed: 2 }, audit: { published: 1, failed: 2 } } }))
    await eventually(() => expect(store.admin.metrics().consumers.outbox).toMatchObject({ handled: 2, failed: 2 }))
    await relay.stop()
    for (let n = 0; n < 120; n++) await store.outbox.enqueue(n, { topics: [`topic ${n}`] })
    await (await published(store)).relay.whenCaughtUp()
    const { topics } = store.admin.metrics().outbox
    expect(Object.keys(topics)).toHaveLength(101)
    expect(topics.OTHER).toEqual({ published: 22, failed: 0 })
  })

  it.runIf(available()).each([
    ['its signal', (_: Store, controller: AbortController) => controller.abort()],
    ['the store', (store: Store) => store.close()],
    ['its stop', (_store: Store, _controller: AbortController, relay: Consumer) => relay.stop()],
  ])('is cleaned up no longer once a relay has ended by %s', async (_, end) => {
    const { store } = await open()
    const [begun, cleared] = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'clearTimeout')]
    onTestFinished(() => [begun, cleared].forEach(spy => spy.mockRestore()))
    // The pause between two clean-ups.
    const pauses = () => begun.mock.results.filter((_, at) => begun.mock.calls[at]![1] === 5_000).map(({ value }) => value as unknown)
    const waiting = () => pauses().filter(timer => !cleared.mock.calls.some(([ended]) => ended === timer))
    const controller = new AbortController()
    const relay = store.outbox.relay({ ...quick, publish: () => {} })
    await relay.start(controller.signal)
    await eventually(() => expect(waiting()).toHaveLength(1))
    await end(store, controller, relay)
    await eventually(() => expect(waiting()).toEqual([]))
    // Nothing is under way that would begin the next pause.
    await relay.stop()
    expect(waiting()).toEqual([])
  })

  it.runIf(available())('removes only what a relay publishes: messages of other topics wait for their relay', async () => {
    const { store } = await open()
    await store.outbox.enqueue('to mail', { topics: ['mail'] })
    await store.outbox.enqueue('to audit', { topics: ['audit'], key: 'k' })
    const left = async () => (await store.stream.read('nvent:outbox:key:k')).map(({ data }) => data as unknown)
    const mail = await published(store, { name: 'mail', topics: ['mail'] })
    await mail.relay.whenCaughtUp()
    await eventually(async () => expect((await store.stream.list({ glob: 'nvent:outbox:single:*' })).streams).toEqual([]))
    expect(await left()).toEqual(['to audit'])
    const audit = await published(store, { name: 'audit', topics: ['audit'] })
    await eventually(() => expect(audit.messages.map(({ data }) => data)).toEqual(['to audit']))
  })

  it.runIf(available())('publishes events at once, whatever their members are called', async () => {
    const { store } = await open()
    for (const [at, outboxDueAt] of [1e300, Date.now() + 1e9].entries()) await store.stream.append(`orders:${at}`, { type: 'a', outboxDueAt }, { topics: ['mail'] })
    const { messages } = await published(store)
    await eventually(() => expect(messages).toHaveLength(2))
  })
})
