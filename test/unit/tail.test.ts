import { describe, expect, it, vi } from 'vitest'
import { eventually } from '../setup/eventually'
import { StoreError } from '../../src/runtime/core/shared/errors'
import { follow } from '../../src/runtime/core/log/subscriptions/follower'
import { createTail } from '../../src/runtime/core/log/subscriptions/tail'
import { decodeArchived } from '../../src/runtime/core/tables/eventCodec'
import type { GlobalReader } from '../../src/runtime/core/log/reader'
import type { GlobalEvent } from '../../src/runtime/core/log/types'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

const eventOf = (id: string) => decodeArchived({ id, ts: 0, type: 't', record: '{}', version: 1 })

describe('the tail', () => {
  it.each([
    ['no connection can be had', new StoreError('CONNECTION', 'FATAL XX000: max client connections')],
    ['the driver throws what it never threw before', new TypeError('Cannot read properties of undefined')],
  ])('goes on, and says so once, when %s', async (_, error) => {
    const troubles: unknown[] = []
    let failures = 0
    let head = 0n
    const event: GlobalEvent = { subject: 'a', event: eventOf('1') }
    const reader: GlobalReader = {
      async mark() {
        if (head === 1n && failures++ < 3) throw error
        return { head, safePosition: head, history: '' }
      },
      async* pages() {
        yield [event]
      },
      versions: async () => new Map(),
      signs: async ids => ids.map(id => ({ id, subject: 'a', version: '1', ts: '0' })),
      newest: async () => [],
    }
    const tail = createTail({ reader, pollInterval: 1, logger: quiet, listen: () => async () => {}, onTrouble: each => troubles.push(each) })
    const [seen, ends]: unknown[][] = [[], []]
    await tail.start()
    const follower = follow({
      subject: 'a', after: 0n, sharedReader: tail, history: async () => [],
      onEvent: ({ event }) => seen!.push(event.id), onStop: () => tail.leave(follower), onEnd: end => ends!.push(end),
    })
    tail.join(follower)
    head = 1n
    await eventually(() => expect(seen).toEqual(['1']))
    expect([troubles, ends]).toEqual([[error], []])
    await follower.stop()
    await tail.ended()
  })

  it('keeps a follower that joins while a page is on its way out of it, and the follower misses nothing', async () => {
    const log = ['a', 'a', 'b'].map((subject, at): GlobalEvent => ({ subject, event: eventOf(String(at + 1)) }))
    const marks = [0n]
    let goOn = () => {}
    const paused = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const reading = vi.fn()
    const reader: GlobalReader = {
      async mark() {
        const settled = marks.at(-1)!
        return { head: settled, safePosition: settled, history: '' }
      },
      async* pages({ after, upTo, subjects }) {
        for (const event of log) {
          const id = BigInt(event.event.id)
          if (id <= after || id > upTo || !subjects?.includes(event.subject)) continue
          reading()
          yield [event]
          await paused
        }
      },
      versions: async () => new Map(),
      signs: async ids => ids.map(id => ({ id, subject: 'a', version: '1', ts: '0' })),
      newest: async () => [],
    }
    const tail = createTail({ reader, pollInterval: 5, logger: quiet, listen: () => async () => {} })
    const join = (subject: string) => {
      const seen: string[] = []
      const follower = follow({
        subject,
        after: 0n,
        sharedReader: tail,
        history: async (after, upTo, limit) => log
          .filter(each => each.subject === subject && BigInt(each.event.id) > after && BigInt(each.event.id) <= upTo).slice(0, limit),
        onEvent: ({ event }) => seen.push(event.id),
        onEnd: () => tail.leave(follower),
      })
      tail.join(follower)
      return { seen, follower }
    }

    await tail.start()
    const first = join('a')
    marks.push(3n)
    await eventually(() => expect(reading).toHaveBeenCalledTimes(1))
    const second = join('b')
    // Long enough for a follower that does not wait to go live in the middle of the page.
    await new Promise(resolve => setTimeout(resolve, 20))
    goOn()
    await eventually(() => expect([first.seen, second.seen]).toEqual([['1', '2'], ['3']]))
    await Promise.all([first.follower.stop(), second.follower.stop()])
    await tail.ended()
  })
})
