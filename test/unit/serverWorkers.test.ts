import { describe, expect, it, vi } from 'vitest'
import { createStore, defineConsumer, defineProjection, defineRelay } from '../../src/runtime/core/index'
import type { Consumer, Logger, Projection, Store } from '../../src/runtime/core/index'
import { StoreError } from '../../src/runtime/core/shared/errors'
import { failingStore } from '../../src/runtime/server/failing'
import { workerNamed, workersOf } from '../../src/runtime/server/workerFiles'
import type { WorkerFile, Workers } from '../../src/runtime/server/workerFiles'
import { runWorkers, startWorkers, stopWorkers } from '../../src/runtime/server/workers'

const handler = () => undefined
const store = () => createStore({ connection: 'pglite://memory' })
const file = (name: string, definition: unknown) => ({ name, file: `server/consumers/${name}.ts`, definition })
const consumersOf = (store: Store, consumers: WorkerFile[]) => workersOf(store, { consumers, projections: [] }).consumers
const projectionsOf = (store: Store, projections: WorkerFile[]) => workersOf(store, { consumers: [], projections }).projections
const only = (...consumers: [string, Consumer][]): Workers => ({ consumers: new Map(consumers), projections: new Map() })
const logger = () => ({ info: vi.fn(), warn: vi.fn(), error: vi.fn() }) as Logger & Record<'warn' | 'error', ReturnType<typeof vi.fn>>
const named = (name: string, calls: Partial<Consumer>): [string, Consumer] => [name, { name, ...calls } as Consumer]

describe('the consumers of files', () => {
  it('have the names of their files, unless a definition gives another, and are made once for a store', () => {
    const files = [file('mail', defineConsumer({ handler })), file('stock', defineConsumer({ name: 'stock-2', handler }))]
    const own = store()
    const consumers = consumersOf(own, files)
    expect([...consumers].map(([name, consumer]) => [name, consumer.name])).toEqual([['mail', 'mail'], ['stock-2', 'stock-2']])
    expect(consumersOf(own, files)).toBe(consumers)
    expect(consumersOf(store(), files)).not.toBe(consumers)
  })

  it('are relays where they are defined as such, with the names of their files', async () => {
    const own = createStore({ connection: 'pglite://memory', prefix: 'shop' })
    const published: unknown[] = []
    const publish = ({ data }: { data: unknown }) => void published.push(data)
    const consumers = consumersOf(own, [
      file('mail', defineRelay({ topics: ['mail'], publish })), file('outbox', { name: 'audit', topics: ['audit'], publish }), file('stock', defineConsumer({ handler })),
    ])
    expect([...consumers].map(([name, consumer]) => [name, consumer.name])).toEqual([['mail', 'mail'], ['audit', 'audit'], ['stock', 'stock']])
    await own.outbox.enqueue('hello', { topics: ['mail'] })
    await own.outbox.enqueue('seen', { topics: ['audit'] })
    expect(await runWorkers({ consumers, projections: new Map() }, { name: 'mail' })).toEqual([{ name: 'mail', handled: 1, caughtUp: true }])
    expect(published).toEqual(['hello'])
    expect((await runWorkers({ consumers, projections: new Map() }, {})).map(({ name }) => name)).toEqual(['mail', 'audit', 'stock'])
    expect(published).toEqual(['hello', 'seen'])
    await own.close()
  })

  it.each([
    ['no default export', undefined, 'server/consumers/wrong.ts has no default export'],
    ['a function', handler, 'the default export of server/consumers/wrong.ts must be a plain object'],
    ['a promise', Promise.resolve(defineConsumer({ handler })), 'the default export of server/consumers/wrong.ts must be a plain object'],
    ['an array', [defineConsumer({ handler })], 'the default export of server/consumers/wrong.ts must be a plain object'],
    ['null', null, 'the default export of server/consumers/wrong.ts must be a plain object'],
    ['a mistyped option of defineConsumer', defineConsumer({ handel: handler } as never), 'server/consumers/wrong.ts: options.handel is not known: did you mean handler?'],
    ['a schema that is none', defineConsumer({ schema: { a: 5 }, handler } as never), 'server/consumers/wrong.ts: codec["a"]'],
    ['a mistyped option of defineRelay', defineRelay({ publish: handler, topic: ['mail'] } as never), 'server/consumers/wrong.ts: options.topic is not known: did you mean topics?'],
    ['a relay that publishes nothing', defineRelay({ topics: ['mail'] } as never), 'server/consumers/wrong.ts: options.publish'],
    ['a relay with a wrong option', defineRelay({ publish: handler, keepMs: -1 }), 'server/consumers/wrong.ts: options.keepMs'],
    ['a member that can not be read', { get handler() {
      throw new Error('no access')
    } }, 'server/consumers/wrong.ts: no access'],
    ['neither handler', {}, 'server/consumers/wrong.ts: options.handler'],
    ['a wrong option', { handler, shards: 0 }, 'server/consumers/wrong.ts: options.shards'],
    ['an unknown option', { handler, shard: 1 }, 'server/consumers/wrong.ts: options.shard'],
    ['a wrong name', { handler, name: '' }, 'server/consumers/wrong.ts: options.name'],
  ])('are refused with %s, and the file is named: no fault of a request', (_, definition, message) => {
    const refusal = { code: 'INVALID_VALUE', message: expect.stringContaining(message) as string, statusCode: 500, details: expect.objectContaining({ file: 'server/consumers/wrong.ts' }) as unknown }
    expect(() => consumersOf(store(), [file('wrong', definition)])).toThrow(expect.objectContaining(refusal) as Error)
  })

  it('are refused when two have one name', () => {
    const message = 'server/consumers/mail.ts has the name "mail", and so has server/consumers/a.ts'
    for (const other of [{ handler, name: 'mail' }, { publish: handler, name: 'mail' }]) {
      expect(() => consumersOf(store(), [file('a', other), file('mail', { handler })])).toThrow(expect.objectContaining({ message: expect.stringContaining(message) as string, statusCode: 500 }) as Error)
    }
  })

  it('are found by name, and a mistyped one is refused', () => {
    const consumers = consumersOf(store(), [file('mail', { handler })])
    expect(workerNamed(consumers, 'mail', 'consumers').name).toBe('mail')
    for (const name of ['mial', 'other', '', undefined, 5] as never[]) expect(() => workerNamed(consumers, name, 'consumers')).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }) as Error)
    // The folder is server/consumers with Nuxt, and consumers with Nitro.
    expect(() => workerNamed(consumers, 'other', 'consumers')).toThrow('"other" is no consumer of the folder consumers (mail)')
    expect(() => workerNamed(consumers, 'mial', 'consumers')).toThrow('did you mean "mail"?')
  })

  it('of a store that can not be made reject with the reason, and can be stopped', async () => {
    const reason = new StoreError('INVALID_OPTION', 'no database is configured')
    const consumers = consumersOf(failingStore(reason), [file('mail', { handler }), file('hooks', { publish: handler })])
    for (const name of ['mail', 'hooks']) await expect(workerNamed(consumers, name, 'consumers').runOnce()).rejects.toBe(reason)
    await stopWorkers({ consumers, projections: new Map() })
  })
})

describe('the projections of files', () => {
  const handle = () => 1
  const wrong = (definition: unknown) => () => projectionsOf(store(), [{ name: 'wrong', file: 'server/projections/wrong.ts', definition }])

  it('have the names of their files, may share them with consumers, and are run with them', async () => {
    const own = createStore({ connection: 'pglite://memory' })
    const workers = workersOf(own, {
      consumers: [file('mail', defineConsumer({ handler }))],
      projections: [file('mail', defineProjection({ init: 0, handle: (count: number) => count + 1 })), file('b', { name: 'other', handle })],
    })
    expect([...workers.projections].map(([name, projection]) => [name, projection.name])).toEqual([['mail', 'mail'], ['other', 'other']])
    await own.stream.append('mails:1', { type: 'sent' })
    expect((await runWorkers(workers, {})).map(({ name, caughtUp }) => [name, caughtUp])).toEqual([['mail', true], ['projection:mail', true], ['projection:other', true]])
    expect(await own.projections.get('mail', 'mails:1')).toBe(1)
    await own.stream.append('mails:1', { type: 'sent' })
    expect(await runWorkers(workers, { name: 'projection:mail' })).toEqual([{ name: 'projection:mail', handled: 1, caughtUp: true }])
    await startWorkers(workers, logger())
    // At work, they are only asked.
    await Promise.all([...workers.projections.values()].map(projection => projection.whenCaughtUp()))
    expect((await runWorkers(workers, { name: 'projection:mail' }))[0]).toMatchObject({ handled: 0, caughtUp: true })
    await stopWorkers(workers)
    expect(await Promise.all([...workers.projections.values()].map(async projection => (await projection.status()).state))).toEqual(['stopped', 'stopped'])
    await own.close()
  })

  it.each([
    ['no default export', undefined, 'server/projections/wrong.ts has no default export: it must be `export default defineProjection({ … })`'],
    ['a function', handle, 'the default export of server/projections/wrong.ts must be a plain object, as defineProjection returns it'],
    ['a mistyped option', defineProjection({ handel: handle } as never), 'server/projections/wrong.ts: options.handel is not known: did you mean handle?'],
    ['a schema that is none', defineProjection({ schema: { a: 5 }, handle } as never), 'server/projections/wrong.ts: codec["a"]'],
    ['a handle that is none', defineProjection({ schema: {}, handle: 5 } as never), 'server/projections/wrong.ts: options'],
    ['neither handle nor handleBatch', defineProjection({}), 'server/projections/wrong.ts: options.handle must be given'],
    ['a wrong name', { handle, name: 'x:1' }, 'server/projections/wrong.ts: options.name'],
  ])('are refused with %s, and the file is named', (_, definition, message) => {
    expect(wrong(definition)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE', message: expect.stringContaining(message) as string, statusCode: 500 }) as Error)
  })

  it('are refused when two have one name', () => {
    const files = [file('a', { handle, name: 'mail' }), file('mail', { handle })]
    expect(() => projectionsOf(store(), files)).toThrow('has the name "mail", and so has server/consumers/a.ts: two projections of one name')
    expect(() => workerNamed(new Map<string, Projection>(), 'mail', 'projections')).toThrow('"mail" is no projection of the folder projections (there is none)')
  })
})

describe('starting them', () => {
  it('tries again while the database is away, says so once, and gives up what can not work', async () => {
    let calls = 0
    const log = logger()
    const away = async () => {
      if (++calls < 3) throw new StoreError('CONNECTION', 'away')
    }
    const consumers = only(named('mail', { start: away }), named('wrong', { start: () => Promise.reject(new StoreError('INVALID_OPTION', 'other shards')) }))
    await startWorkers(consumers, log)
    expect(calls).toBe(3)
    expect(log.error.mock.calls.map(([message]) => message as string).sort()).toEqual([
      'consumer mail does not run: away. Retrying in the background', 'consumer wrong does not run: other shards',
    ])
  })

  it('ends silently when the store is closed', async () => {
    const log = logger()
    await startWorkers(only(named('mail', { start: () => Promise.reject(new StoreError('CLOSED', 'closed')) })), log)
    expect(log.error).not.toHaveBeenCalled()
  })
})

describe('running them once', () => {
  const status = async () => ({ state: 'idle', lag: 0 }) as never

  it('asks those that are at work only how they stand', async () => {
    const consumers = only(
      named('mail', { status, runOnce: async () => ({ handled: 2, caughtUp: true }) }),
      named('stock', { status: async () => ({ state: 'running', lag: 4 }) as never }),
    )
    expect(await runWorkers(consumers, {})).toEqual([{ name: 'mail', handled: 2, caughtUp: true }, { name: 'stock', handled: 0, caughtUp: false }])
    expect(await runWorkers(consumers, undefined)).toHaveLength(2)
    expect(await runWorkers(consumers, { name: 'mail', maxMs: '500' })).toHaveLength(1)
  })

  it('fails with the first error, once the others have ended', async () => {
    let ended = false
    const error = new Error('down')
    const slow = async () => {
      await new Promise(resolve => setImmediate(resolve))
      ended = true
      return { handled: 0, caughtUp: true }
    }
    const consumers = only(named('mail', { status, runOnce: () => Promise.reject(error) }), named('stock', { status, runOnce: slow }))
    await expect(runWorkers(consumers, {})).rejects.toBe(error)
    expect(ended).toBe(true)
  })

  it.each([[{ maxMs: 'soon' }], [{ maxMs: -1 }], [{ max: 5 }], [{ name: 'other' }], [5]])('refuses the payload %j', async (payload) => {
    await expect(runWorkers(only(named('mail', { status })), payload)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
  })
})
