import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp, defineEventHandler, toNodeListener } from 'h3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../setup/eventually'
import { createStore } from '../../src/runtime/core/index'
import type { EventRecord, Store } from '../../src/runtime/core/index'
import { logger } from '../../src/runtime/server/announce'
import type { SendEventsOptions } from '../../src/runtime/nitro2/events'
import { sendEvents } from '../../src/runtime/nitro2/events'
import { listen } from '../e2e/sse'
import type { SseClient } from '../e2e/sse'

let store: Store
vi.mock('../../src/runtime/nitro2/store', () => ({ useStore: () => store }))

describe('sendEvents', () => {
  let server: Server
  let options: SendEventsOptions
  let clients: SseClient[]
  let tests = 0
  let subject: string
  beforeAll(() => {
    store = createStore({ connection: 'pglite://memory' })
  })
  afterAll(() => store.close())
  beforeEach(async () => {
    clients = []
    options = { from: 'start' }
    subject = `orders:${++tests}`
    server = createServer(toNodeListener(createApp().use(defineEventHandler(event => sendEvents(event, subject, options)))))
    await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    vi.restoreAllMocks()
    for (const client of clients) client.hangUp()
    server.closeAllConnections()
    server.close()
  })

  async function connect(query = '', lastEventId?: string) {
    const client = await listen(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${query}`, lastEventId)
    clients.push(client)
    return client
  }

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle

  it.each<[string, (event: EventRecord) => unknown]>([
    ['a cycle', () => cycle],
    ['a BigInt', () => ({ total: BigInt(5) })],
    ['a function', () => () => {}],
    ['a symbol', () => Symbol('order')],
    ['a toJSON that throws', () => ({ toJSON: () => { throw new Error('no') } })],
    ['a getter that throws', () => ({ get total(): number { throw new Error('no') } })],
    ['a promise of a BigInt', async () => BigInt(5)],
    ['an error', () => { throw new Error('no') }],
    ['an error that is none', () => { throw Object.create(null) as Error }],
    ['a rejection', async () => { throw new Error('no') }],
  ])('leaves an event out of which map makes %s, with an error in the log, and goes on with the next', async (_, bad) => {
    const error = vi.spyOn(logger, 'error').mockImplementation(() => {})
    const warn = vi.spyOn(logger, 'warn').mockImplementation(() => {})
    const seen: string[] = []
    options.map = (event) => {
      seen.push(event.type)
      return event.type.startsWith('bad') ? bad(event) : { type: event.type }
    }
    const written = await store.stream.appendMany(subject, ['good', 'bad', 'bad2', 'next'].map(type => ({ type })))
    const client = await connect()
    const types = () => client.messages.map(({ data }) => (data as { type: string }).type)
    await eventually(() => expect(types()).toEqual(['good', 'next']))
    await store.stream.append(subject, { type: 'later' })
    await eventually(() => expect(types()).toEqual(['good', 'next', 'later']))

    expect(seen).toEqual(['good', 'bad', 'bad2', 'next', 'later'])
    expect(error.mock.calls.map(([text]) => text as string)).toEqual([written[1]!, written[2]!].map(({ id }) => expect.stringMatching(`^event ${id} is left out`) as string))
    expect(warn).not.toHaveBeenCalled()
    // A client that comes back after one of them does not get it again.
    expect(client.text()).toContain(`\n\nid: ${written[1]!.id}\n\n`)
  })

  it('sends what a promise of map gives', async () => {
    options.map = async ({ type }) => type === 'hidden' ? undefined : { type }
    await store.stream.appendMany(subject, ['hidden', 'shown'].map(type => ({ type })))
    const client = await connect()
    await eventually(() => expect(client.messages.map(({ data }) => data)).toEqual([{ type: 'shown' }]))
  })

  const noIds = ['yesterday', '-1', '1.5', '1e3', '0x10', '12 13', '99999999999999999999', 'now()', '١٢']

  it.each(noIds.filter(id => /^[\x20-\x7E]*$/.test(id)))('answers 400 before the stream starts: the header Last-Event-ID %s', async (id) => {
    await expectRefusal(await connect('', id))
  })

  it.each(noIds)('answers 400 before the stream starts: lastEventId=%s in the query', async (id) => {
    await expectRefusal(await connect(`?lastEventId=1&lastEventId=${encodeURIComponent(id)}`))
  })

  it.each([...noIds, '', 'NOW', null, {}])('answers 400 before the stream starts: from %j', async (from) => {
    options.from = from as string
    await expectRefusal(await connect())
  })

  async function expectRefusal(client: SseClient): Promise<void> {
    await client.ended
    expect(client.status).toBe(400)
    expect(client.messages).toEqual([])
    expect(client.text()).not.toContain('retry:')
  }
})
