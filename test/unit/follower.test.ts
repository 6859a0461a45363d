import { describe, expect, it, vi } from 'vitest'
import { eventually } from '../setup/eventually'
import { StoreError } from '../../src/runtime/core/shared/errors'
import { QUEUE, follow } from '../../src/runtime/core/log/subscriptions/follower'
import type { SharedReader } from '../../src/runtime/core/log/subscriptions/follower'
import type { GlobalEvent } from '../../src/runtime/core/log/types'

const eventOf = (id: number): GlobalEvent => ({ subject: 'a', event: { id: String(id), ts: 0, type: 't', runId: 'r', flowName: 'f' } })
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

const position: SharedReader['position'] = async () => 1n

describe('reading that fails', () => {
  const setUp = (errors: unknown[]) => {
    const [seen, ends, troubles]: unknown[][] = [[], [], []]
    const follower = follow({
      subject: 'a',
      after: 0n,
      sharedReader: { admit: () => true, position, drained: () => {} },
      async history() {
        if (errors.length > 0) throw errors.shift()
        return [eventOf(1)]
      },
      onEvent: ({ event }) => seen!.push(event.id),
      onTrouble: error => troubles!.push(error),
      onEnd: error => ends!.push(error),
    })
    return { follower, seen, ends, troubles }
  }

  it.each([
    ['the database is away', new StoreError('CONNECTION', 'away', { retryable: true })],
    ['no connection can be had, for a reason nobody knows', new StoreError('CONNECTION', 'FATAL XX000')],
    ['the role has lost a right', new StoreError('DATABASE', 'permission denied', { details: { sqlState: '42501' } })],
    ['the driver throws what it never threw before', new TypeError('Cannot read properties of undefined')],
    ['nothing sensible is thrown', undefined],
  ])('goes on when %s', async (_, error) => {
    const { follower, seen, ends, troubles } = setUp([error])
    await eventually(() => expect(seen).toEqual(['1']))
    expect([ends, troubles]).toEqual([[], [error]])
    await follower.stop()
  })

  it.each(['INVALID_VALUE', 'INVALID_CALL', 'CLOSED'] as const)('ends it with %s, which will not mend', async (code) => {
    const error = new StoreError(code, 'no')
    const { ends } = setUp([error])
    await eventually(() => expect(ends).toEqual([error]))
  })
})

/** A follower of a log of `length` events, with a callback that waits until it is let go. */
function setUp({ length = 0, blocked = false } = {}) {
  const log = range(1, length).map(eventOf)
  const seen: number[] = []
  const reads: number[] = []
  let release = () => {}
  const gate = blocked
    ? new Promise<void>((resolve) => {
        release = resolve
      })
    : undefined
  const sharedReader: SharedReader = { admit: vi.fn(() => true), position: async () => BigInt(log.length), drained: vi.fn() }
  const follower = follow({
    subject: 'a',
    after: 0n,
    sharedReader,
    async history(after, upTo, limit) {
      const events = log.slice(Number(after), Number(upTo)).slice(0, limit)
      reads.push(events.length)
      return events
    },
    async onEvent({ event }) {
      await gate
      seen.push(Number(event.id))
    },
    onEnd: () => {},
  })
  return { log, seen, reads, sharedReader, follower, release }
}

describe('a follower', () => {
  it('reads history page by page, then goes live', async () => {
    const { seen, reads, sharedReader, follower } = setUp({ length: 250 })
    await eventually(() => expect(sharedReader.admit).toHaveBeenCalled())
    expect(reads).toEqual([QUEUE, QUEUE, 50])
    expect(follower.offer(eventOf(251))).toBe(true)
    await eventually(() => expect(seen).toEqual(range(1, 251)))
    await follower.stop()
  })

  it('skips what it has read already', async () => {
    const { seen, sharedReader, follower } = setUp({ length: 10 })
    await eventually(() => expect(sharedReader.admit).toHaveBeenCalled())
    for (const id of [9, 10, 11, 11, 12]) follower.offer(eventOf(id))
    await eventually(() => expect(seen).toEqual(range(1, 12)))
    await follower.stop()
  })

  it('keeps no more than one queue for a slow callback, then reads what it has left out', async () => {
    const { log, seen, reads, sharedReader, follower, release } = setUp({ blocked: true })
    await eventually(() => expect(sharedReader.admit).toHaveBeenCalled())
    const taken = range(1, 10_000).filter((id) => {
      log.push(eventOf(id))
      return follower.offer(eventOf(id))
    })
    expect(taken).toEqual(range(1, QUEUE))
    release()
    await eventually(() => expect(seen).toHaveLength(10_000))
    expect(seen).toEqual(range(1, 10_000))
    expect(Math.max(...reads)).toBe(QUEUE)
    await follower.stop()
  })
})
