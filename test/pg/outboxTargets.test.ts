import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { OutboxMessage } from '../../src/runtime/core/index'
import { freshDatabase, openStore } from '../setup/database'
import { eventually } from '../setup/eventually'
import { hasRedis, startRedis } from '../setup/redis'
import { oneServer, servers } from './servers'

const KEYS = ['a', 'b', 'c', 'd', 'e']
const EACH = 40

/** An HTTP endpoint that refuses every fifth message, and accepts another fifth without saying so. */
async function unreliableEndpoint() {
  const underWay = new Set<string>()
  const accepted: { id: string, key: string, n: number }[] = []
  const twiceAtOnce: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => body += String(chunk)).on('end', () => {
      const { id, key, data } = JSON.parse(body) as OutboxMessage
      if (underWay.has(id)) twiceAtOnce.push(id)
      underWay.add(id)
      setTimeout(() => {
        underWay.delete(id)
        const luck = Math.random()
        if (luck >= 0.2) accepted.push({ id, key: key!, n: data as number })
        if (luck < 0.4) response.statusCode = 503
        response.end()
      }, Math.random() * 5)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, accepted, twiceAtOnce }
}

describe.each(servers)('relays to an HTTP endpoint that fails now and then, on $name', ({ server }) => {
  it('of three stores deliver everything in the order of its key, and no message twice at once', async () => {
    const { url } = await freshDatabase(server)
    const target = await unreliableEndpoint()
    const stores = [1, 2, 3].map(() => openStore({ connection: url }))
    const relays = stores.map(store => store.outbox.relay({
      leaseMs: 20_000, shards: 8, pollInterval: 50, backoff: { first: 5, max: 20 }, maxAttempts: 100,
      async publish(message, { signal }) {
        const { ok, status } = await fetch(target.url, { method: 'POST', body: JSON.stringify(message), signal })
        if (!ok) throw new Error(`status ${status}`)
      },
    }))
    for (const relay of relays) await relay.start()
    for (let n = 0; n < EACH; n++) await Promise.all(KEYS.map(key => stores[0]!.outbox.enqueue(n, { topics: ['hook'], key })))
    // One of them goes while it is at work.
    await relays[2]!.stop()
    await eventually(async () => expect(await stores[0]!.outbox.stats()).toMatchObject({ pending: 0, waiting: 0 }))

    expect(target.twiceAtOnce).toEqual([])
    for (const key of KEYS) {
      const numbers = target.accepted.filter(each => each.key === key).map(({ n }) => n)
      // A message whose acceptance was not confirmed comes again, before the next one of its key.
      expect(numbers, key).toEqual(numbers.toSorted((a, b) => a - b))
      expect([...new Set(numbers)], key).toEqual(Array.from({ length: EACH }, (_, n) => n))
    }
    await Promise.all(relays.map(relay => relay.stop()))
  })
})

describe.skipIf(!hasRedis()).each(oneServer)('relays to a Redis stream, on $name', ({ server }) => {
  it('deliver everything in the order of its key while Redis is killed and comes back, and repeat only what was not confirmed', async () => {
    const { url } = await freshDatabase(server)
    const redis = await startRedis()
    const stores = [1, 2].map(() => openStore({ connection: url }))
    let attempts = 0
    const relays = stores.map(store => store.outbox.relay({
      leaseMs: 20_000, shards: 8, pollInterval: 50, backoff: { first: 5, max: 100 }, maxAttempts: 1_000,
      async publish({ id, key, data }) {
        attempts++
        await redis.send('XADD', 'orders', '*', 'id', id, 'key', key!, 'n', String(data))
      },
    }))
    for (const relay of relays) await relay.start()
    for (let n = 0; n < EACH; n++) {
      await Promise.all(KEYS.map(key => stores[n % 2]!.outbox.enqueue(n, { topics: ['orders'], key })))
      if (n % 10 === 5) await redis.killAndStart()
    }
    await eventually(async () => expect(await stores[0]!.outbox.stats()).toMatchObject({ pending: 0, waiting: 0 }))
    await Promise.all(relays.map(relay => relay.stop()))

    const entries = redis.entries('orders')
    for (const key of KEYS) {
      const numbers = entries.filter(entry => entry.key === key).map(({ n }) => Number(n))
      expect(numbers, key).toEqual(numbers.toSorted((a, b) => a - b))
      expect([...new Set(numbers)], key).toEqual(Array.from({ length: EACH }, (_, n) => n))
    }
    // The id of a message tells a repetition from another message.
    expect(new Set(entries.map(({ id }) => id)).size).toBe(KEYS.length * EACH)
    expect(entries.length).toBeLessThanOrEqual(attempts)
  })
})
