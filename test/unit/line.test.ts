import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createLine } from '../../src/runtime/app/line'
import type { Source } from '../../src/runtime/app/line'

/** A server that does what a test says. */
function setUp() {
  const dialled: { url: string, closed: boolean, say(type: string, message?: object): void }[] = []
  const statuses: string[] = []
  const messages: unknown[] = []
  const line = createLine({
    connect(url) {
      const listeners: Record<string, (message: never) => void> = {}
      const call = { url, closed: false, say: (type: string, message: object = {}) => listeners[type]?.(message as never) }
      dialled.push(call)
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
  return { line, dialled, statuses, messages, last: () => dialled.at(-1)! }
}

describe('the line to an event stream', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('goes on after the last event when it breaks', () => {
    const { line, dialled, messages, statuses, last } = setUp()
    line.follow('/live?a=1#top')
    last().say('open')
    last().say('ready', { lastEventId: '7', data: '7' })
    last().say('message', { lastEventId: '9', data: '{"id":"9"}' })
    last().say('error')
    expect(dialled).toMatchObject([{ url: '/live?a=1#top', closed: true }])
    vi.runAllTimers()
    expect(last()).toMatchObject({ url: '/live?a=1&lastEventId=9#top', closed: false })
    last().say('open')
    expect(messages).toEqual([{ id: '9', data: '{"id":"9"}' }])
    expect(statuses).toEqual(['connecting', 'open', expect.stringMatching(/^connecting: the event stream .* was lost/), 'open'])
  })

  it('goes on where the server began when it breaks before the first event', () => {
    const { line, last } = setUp()
    line.follow('/live')
    last().say('ready', { lastEventId: '7', data: '7' })
    last().say('error')
    vi.runAllTimers()
    expect(last().url).toBe('/live?lastEventId=7')
  })

  it('begins where its address says, and goes on from there', () => {
    const { line, last } = setUp()
    line.follow('/live?lastEventId=5&a=1')
    last().say('message', { lastEventId: '6', data: '6' })
    last().say('error')
    vi.runAllTimers()
    expect(last().url).toBe('/live?lastEventId=6&a=1')
  })

  it('waits longer each time, up to a bound, and starts anew once the server speaks', () => {
    const { line, dialled, last } = setUp()
    const pauseAfterError = () => {
      const before = Date.now()
      last().say('error')
      vi.runAllTimers()
      return Date.now() - before
    }
    line.follow('/live')
    for (let failures = 0; failures < 12; failures++) {
      const longest = Math.min(500 * 2 ** failures, 30_000)
      const pause = pauseAfterError()
      expect(pause).toBeGreaterThanOrEqual(Math.floor(longest / 2))
      expect(pause).toBeLessThanOrEqual(longest)
    }
    last().say('ready', { lastEventId: '1', data: '1' })
    expect(pauseAfterError()).toBeLessThanOrEqual(500)
    expect(dialled).toHaveLength(14)
  })

  it('is closed for good by close, and opened again where it was', () => {
    const { line, dialled, statuses, messages, last } = setUp()
    line.follow('/live')
    last().say('ready', { lastEventId: '7', data: '7' })
    line.close()
    dialled[0]!.say('message', { lastEventId: '8', data: '8' })
    dialled[0]!.say('error')
    vi.runAllTimers()
    expect([dialled.length, messages.length, statuses.at(-1)]).toEqual([1, 0, 'closed'])
    line.open()
    line.open()
    expect(dialled.map(({ url }) => url)).toEqual(['/live', '/live?lastEventId=7'])
  })

  it('is not opened again by a timer after close', () => {
    const { line, dialled, last } = setUp()
    line.follow('/live')
    last().say('error')
    line.close()
    vi.runAllTimers()
    expect(dialled).toHaveLength(1)
  })

  it('starts anew at another address, and has none at null', () => {
    const { line, dialled, statuses, last } = setUp()
    line.follow('/a')
    last().say('ready', { lastEventId: '7', data: '7' })
    line.follow('/b')
    line.follow(null)
    expect(dialled).toMatchObject([{ url: '/a', closed: true }, { url: '/b', closed: true }])
    expect(statuses).toEqual(['connecting', 'connecting', 'closed'])
  })
})
