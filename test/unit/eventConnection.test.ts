import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEventConnection } from '../../src/runtime/app/eventConnection'
import type { Source } from '../../src/runtime/app/eventConnection'

/** A server that does what a test says. */
function setUp() {
  const opened: { url: string, closed: boolean, say(type: string, message?: object): void }[] = []
  const statuses: string[] = []
  const messages: unknown[] = []
  const connection = createEventConnection({
    connect(url) {
      const listeners: Record<string, (message: never) => void> = {}
      const call = { url, closed: false, say: (type: string, message: object = {}) => listeners[type]?.(message as never) }
      opened.push(call)
      return {
        addEventListener(type: string, listener: (message: never) => void) {
          listeners[type] = listener
        },
        close() {
          call.closed = true
        },
      } as Source
    },
    onStatus: (status, error) => statuses.push(error ? `${status}: ${error.message}` : status),
    onMessage: message => messages.push(message),
  })
  return { connection, opened, statuses, messages, last: () => opened.at(-1)! }
}

describe('the connection to an event stream', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('goes on after the last event when it breaks', () => {
    const { connection, opened, messages, statuses, last } = setUp()
    connection.follow('/live?a=1#top')
    last().say('open')
    last().say('ready', { lastEventId: '7', data: '7' })
    last().say('message', { lastEventId: '9', data: '{"id":"9"}' })
    last().say('error')
    expect(opened).toMatchObject([{ url: '/live?a=1#top', closed: true }])
    vi.runAllTimers()
    expect(last()).toMatchObject({ url: '/live?a=1&lastEventId=9#top', closed: false })
    last().say('open')
    expect(messages).toEqual([{ id: '9', data: '{"id":"9"}' }])
    expect(statuses).toEqual(['connecting', 'open', expect.stringMatching(/^connecting: the event stream .* was lost/), 'open'])
  })

  it('goes on where the server began when it breaks before the first event', () => {
    const { connection, last } = setUp()
    connection.follow('/live')
    last().say('ready', { lastEventId: '7', data: '7' })
    last().say('error')
    vi.runAllTimers()
    expect(last().url).toBe('/live?lastEventId=7')
  })

  it('begins where its address says, and goes on from there', () => {
    const { connection, last } = setUp()
    connection.follow('/live?lastEventId=5&a=1')
    last().say('message', { lastEventId: '6', data: '6' })
    last().say('error')
    vi.runAllTimers()
    expect(last().url).toBe('/live?lastEventId=6&a=1')
  })

  it('waits longer each time, up to a bound, and starts again once the server responds', () => {
    const { connection, opened, last } = setUp()
    const pauseAfterError = () => {
      const before = Date.now()
      last().say('error')
      vi.runAllTimers()
      return Date.now() - before
    }
    connection.follow('/live')
    for (let failures = 0; failures < 12; failures++) {
      const longest = Math.min(500 * 2 ** failures, 30_000)
      const pause = pauseAfterError()
      expect(pause).toBeGreaterThanOrEqual(Math.floor(longest / 2))
      expect(pause).toBeLessThanOrEqual(longest)
    }
    last().say('ready', { lastEventId: '1', data: '1' })
    expect(pauseAfterError()).toBeLessThanOrEqual(500)
    expect(opened).toHaveLength(14)
  })

  it('is closed for good by close, and opened again where it was', () => {
    const { connection, opened, statuses, messages, last } = setUp()
    connection.follow('/live')
    last().say('ready', { lastEventId: '7', data: '7' })
    connection.close()
    opened[0]!.say('message', { lastEventId: '8', data: '8' })
    opened[0]!.say('error')
    vi.runAllTimers()
    expect([opened.length, messages.length, statuses.at(-1)]).toEqual([1, 0, 'closed'])
    connection.open()
    connection.open()
    expect(opened.map(({ url }) => url)).toEqual(['/live', '/live?lastEventId=7'])
  })

  it('is not opened again by a timer after close', () => {
    const { connection, opened, last } = setUp()
    connection.follow('/live')
    last().say('error')
    connection.close()
    vi.runAllTimers()
    expect(opened).toHaveLength(1)
  })

  it('starts again at another address, and has none at null', () => {
    const { connection, opened, statuses, last } = setUp()
    connection.follow('/a')
    last().say('ready', { lastEventId: '7', data: '7' })
    connection.follow('/b')
    connection.follow(null)
    expect(opened).toMatchObject([{ url: '/a', closed: true }, { url: '/b', closed: true }])
    expect(statuses).toEqual(['connecting', 'connecting', 'closed'])
  })
})
