import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { eventually } from '../setup/eventually'
import { CALLBACK_GRACE_MS } from '../../src/runtime/core/log/subscriptions/follower'
import type { Store } from '../../src/runtime/core/index'
import { pglite, postgres18 } from '../setup/backends'

const never = new Promise<void>(() => {})

/** Something that happens once. */
function moment<T = void>() {
  let come: (value: T) => void = () => {}
  const arrived = new Promise<T>((resolve) => {
    come = resolve
  })
  return { come, arrived }
}

const silent = () => ({ info: () => {}, warn: vi.fn(), error: vi.fn() })

describe.each([
  { backend: postgres18, all: true },
  // It takes seconds to start.
  { backend: pglite, all: false },
])('the end of subscriptions and of the store on $backend.name', ({ backend, all }) => {
  let log = silent()

  async function open(): Promise<Store> {
    // A callback of an earlier test may still be told of.
    log = silent()
    const { store } = await backend.open({ logger: log, pollInterval: 20 })
    onTestFinished(() => store.close())
    await store.ready()
    return store
  }

  it('close() may be awaited by a callback', async () => {
    const store = await open()
    const closed = moment()
    await store.stream.subscribe('a:1', async () => {
      await store.close()
      closed.come()
    })
    await store.stream.append('a:1', { type: 'x' })
    await closed.arrived
    await expect(store.kv.get('a')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(log.warn).not.toHaveBeenCalled()
  })

  it.runIf(all)('close() may be awaited by several callbacks, of subjects, globs and loops, at once', async () => {
    const store = await open()
    const ended: string[] = []
    let begun = 0
    const together = moment()
    const end = async (name: string) => {
      if (++begun === 4) together.come()
      await together.arrived
      await store.close()
      ended.push(name)
    }
    await store.stream.subscribe('a:1', () => end('subject'))
    await store.stream.subscribe('a:1', () => end('subject again'))
    await store.stream.subscribe('a:*', () => end('glob'))
    const loop = (async () => {
      for await (const _ of store.stream.subscribe('a:1', { from: 'start' })) await end('loop')
    })()
    await store.stream.append('a:1', { type: 'x' })
    await loop
    await eventually(() => expect(ended.sort()).toEqual(['glob', 'loop', 'subject', 'subject again']))
    expect(log.warn).not.toHaveBeenCalled()
  })

  it.runIf(all)('unsubscribe() may be awaited by its own callback and by those of others', async () => {
    const store = await open()
    const [own, others] = [moment(), moment()]
    const first = await store.stream.subscribe('a:1', async () => {
      await first.unsubscribe()
      own.come()
      await never
    })
    const second = await store.stream.subscribe('a:1', () => never)
    await store.stream.subscribe('a:1', async () => {
      await own.arrived
      void second.unsubscribe()
      await first.unsubscribe()
      others.come()
    })
    await store.stream.append('a:1', { type: 'x' })
    await Promise.all([own.arrived, others.arrived])
  })

  it.runIf(all)('what a callback has left behind waits for a later callback like anybody else', async () => {
    const store = await open()
    const order: string[] = []
    const [goOn, second, done] = [moment(), moment(), moment()]
    const subscription = await store.stream.subscribe('a:1', async ({ data }) => {
      if (data === 1) {
        void (async () => {
          await second.arrived
          const unsubscribed = subscription.unsubscribe()
          goOn.come()
          await unsubscribed
          order.push('unsubscribed')
          done.come()
        })()
        return
      }
      second.come()
      await goOn.arrived
      order.push('callback')
    })
    await store.stream.appendMany('a:1', [{ type: 'x', data: 1 }, { type: 'x', data: 2 }])
    await done.arrived
    expect(order).toEqual(['callback', 'unsubscribed'])
  })

  it.runIf(all)('a callback that never returns is waited for no longer than said, and named in the log', async () => {
    const store = await open()
    const called = moment()
    let calls = 0
    const stuck = () => {
      if (++calls === 2) called.come()
      return never
    }
    const subscription = await store.stream.subscribe('stuck:1', stuck)
    await store.stream.subscribe('stuck:*', stuck)
    await store.stream.append('stuck:1', { type: 'x' })
    await called.arrived
    await subscription.unsubscribe()
    expect(log.warn).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(new RegExp(`"stuck:1" has not returned within ${CALLBACK_GRACE_MS} ms`)))
    await store.close()
    expect(log.warn).toHaveBeenCalledWith(expect.stringContaining('"stuck:*"'))
  })

  it('every call made after close(), in the same tick too, rejects with CLOSED', async () => {
    const store = await open()
    await store.stream.append('a:1', { type: 'x' })
    const begun = store.stream.subscribe('a:1', () => {})
    const reading = store.stream.readAll()[Symbol.asyncIterator]()
    const closing = store.close()
    const next = (iterable: AsyncIterable<unknown>) => iterable[Symbol.asyncIterator]().next()
    const calls: Record<string, () => Promise<unknown>> = {
      'subscribe before': () => begun,
      'readAll before': () => reading.next(),
      'append': () => store.stream.append('a:1', { type: 'x' }),
      'appendMany': () => store.stream.appendMany('a:1', [{ type: 'x' }]),
      'appendAll': () => store.stream.appendAll([{ subject: 'a:1', events: [{ type: 'x' }] }]),
      'read': () => store.stream.read('a:1'),
      'current': () => store.stream.current('a:1'),
      'list': () => store.stream.list(),
      'delete': () => store.stream.delete('a:1'),
      'subscribe': () => store.stream.subscribe('a:1', () => {}),
      'subscribe from start': () => store.stream.subscribe('a:1', () => {}, { from: 'start' }),
      'subscribe loop': () => next(store.stream.subscribe('a:*', { from: 'start' })),
      'readAll': () => next(store.stream.readAll()),
      'iterate': () => next(store.stream.iterate('a:1')),
      'typed': () => store.stream.of({}).read('a:1'),
      'index': () => store.index.add('i', '1', 1),
      'index read': () => store.index.read('i'),
      'kv': () => store.kv.set('k', 1),
      'kv get': () => store.kv.get('k'),
      'kv list': () => store.kv.list(),
      'kv clear': () => store.kv.clear('*'),
      'transaction': () => store.transaction(async () => {}),
      'ready': () => store.ready(),
      'version': () => store.admin.version(),
      'migrate': () => store.admin.migrate(),
      'retention': () => store.admin.retention.run(),
    }
    const outcomes = await Promise.all(Object.entries(calls).map(async ([name, call]) => [name, await call().then(() => 'accepted', (error: { code: string }) => error.code)]))
    expect(outcomes.filter(([, code]) => code !== 'CLOSED')).toEqual([])
    await closing
    await store.close()
  })

  it.runIf(all)('calls made before close() are carried out', async () => {
    const store = await open()
    const calls = [store.kv.set('k', 1), store.stream.append('a:1', { type: 'x' }), store.kv.get('k')]
    await store.close()
    expect(await Promise.all(calls)).toMatchObject([undefined, { type: 'x' }, 1])
  })

  it.runIf(all)('a subscription that close() ends hears of no error', async () => {
    const store = await open()
    const errors: unknown[] = []
    await store.stream.subscribe('a:1', () => {}, { onError: error => errors.push(error) })
    await store.stream.subscribe('a:*', () => {}, { from: 'start', onError: error => errors.push(error) })
    const loop = (async () => {
      for await (const _ of store.stream.subscribe('a:2'));
    })()
    await store.stream.append('a:2', { type: 'x' })
    await store.close()
    await loop
    expect([errors, log.error.mock.calls]).toEqual([[], []])
  })

  it('close() inside transaction() is refused: it would wait for itself', async () => {
    const store = await open()
    await expect(store.transaction(() => store.close())).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await store.kv.set('k', 1)
    const left = moment<Promise<void>>()
    const goOn = moment()
    await store.transaction(async () => {
      void goOn.arrived.then(() => left.come(store.close()))
    })
    goOn.come()
    await left.arrived
  })

  it.runIf(all)('a loop is left while it waits for an event, and by its signal', async () => {
    const store = await open()
    const iterator = store.stream.subscribe('a:1')[Symbol.asyncIterator]()
    const waiting = [iterator.next(), iterator.next()]
    await eventually(() => expect(store.admin.metrics().subscriptions).toBe(1))
    expect(await iterator.return!()).toEqual({ value: undefined, done: true })
    expect(await Promise.all(waiting)).toEqual([{ value: undefined, done: true }, { value: undefined, done: true }])
    expect(store.admin.metrics().subscriptions).toBe(0)

    const unbegun = store.stream.subscribe('a:1')[Symbol.asyncIterator]()
    await unbegun.return!()
    expect(await unbegun.next()).toEqual({ value: undefined, done: true })

    const abort = new AbortController()
    const aborted = store.stream.subscribe('a:1', { signal: abort.signal })[Symbol.asyncIterator]()
    const next = aborted.next()
    await eventually(() => expect(store.admin.metrics().subscriptions).toBe(1))
    abort.abort()
    expect(await next).toEqual({ value: undefined, done: true })
  })

  it.runIf(all)('a signal that aborts inside of a callback, or while one is stuck, ends the subscription at once', async () => {
    const store = await open()
    const abort = new AbortController()
    const seen: unknown[] = []
    await store.stream.subscribe('a:1', ({ data }) => {
      seen.push(data)
      abort.abort()
      return never
    }, { signal: abort.signal })
    await store.stream.appendMany('a:1', [{ type: 'x', data: 1 }, { type: 'x', data: 2 }])
    await eventually(() => expect(seen).toEqual([1]))
    expect(store.admin.metrics().subscriptions).toBe(0)
  })
})
