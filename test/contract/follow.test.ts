import { setMaxListeners } from 'node:events'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { EventRecord, StreamSurface } from '../../src/runtime/core/index'
import { follow, positionOf } from '../../src/runtime/follow'
import { pglite, postgres18 } from '../setup/backends'
import { expectRefused, idsOf, unique } from './suite/context'

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 10 })

describe.each([pglite, postgres18])('following a subject on $name', ({ open, available }) => {
  let stream: StreamSurface
  let subject: string
  beforeAll(async () => {
    if (available()) stream = (await open({ pollInterval: 40 })).store.stream
  })
  beforeEach(() => {
    subject = `orders:${unique()}`
  })

  it.runIf(available())('hands over from history to live without a hole or a repeat, wherever it starts', async () => {
    // More than a page of history, and a writer that does not stop while the followers come.
    const appended = await stream.appendMany(subject, Array.from({ length: 600 }, (_, data) => ({ type: 'old', data })))
    const end = new AbortController()
    setMaxListeners(0, end.signal)
    const followers: { after: string, seen: EventRecord[], done: Promise<void> }[] = []
    const join = async (from: string) => {
      const after = await positionOf(stream, subject, from)
      const seen: EventRecord[] = []
      followers.push({ after, seen, done: follow(stream, subject, { after, signal: end.signal, onEvent: event => seen.push(event) }) })
    }
    for (let data = 0; data < 40; data++) {
      const joining = data % 13 === 0 ? Promise.all(['start', 'now', appended[data * 10]!.id].map(join)) : undefined
      appended.push(await stream.append(subject, { type: 'new', data }))
      await joining
    }
    const last = appended.at(-1)!
    await eventually(() => expect(followers.map(({ after, seen }) => seen.at(-1)?.id ?? after)).toEqual(followers.map(() => last.id)))
    end.abort()
    await Promise.all(followers.map(({ done }) => done))
    expect(followers).toHaveLength(12)
    for (const { after, seen } of followers) {
      expect(idsOf(seen)).toEqual(idsOf(appended.filter(({ id }) => BigInt(id) > BigInt(after))))
    }
  })

  it.runIf(available())('waits for its callback, and gives it nothing after the end', async () => {
    await stream.appendMany(subject, [{ type: 'a', data: 1 }, { type: 'a', data: 2 }])
    const end = new AbortController()
    const seen: unknown[] = []
    let release = () => {}
    const done = follow(stream, subject, {
      after: '0',
      signal: end.signal,
      onEvent: event => new Promise<void>((resolve) => {
        seen.push(event.data)
        release = resolve
      }),
    })
    await eventually(() => expect(seen).toEqual([1]))
    end.abort()
    release()
    await done
    expect(seen).toEqual([1])
  })

  it.runIf(available()).each(['history', 'live'])('ends with what its callback throws, in %s', async (when) => {
    if (when === 'history') await stream.append(subject, { type: 'a' })
    const done = follow(stream, subject, {
      after: '0',
      signal: new AbortController().signal,
      onEvent() {
        throw new RangeError('no more')
      },
    })
    const failure = expect(done).rejects.toThrow('no more')
    if (when === 'live') await stream.append(subject, { type: 'a' })
    await failure
  })

  it.runIf(available())('starts at a position that is one', async () => {
    expect(await positionOf(stream, subject, 'now')).toBe('0')
    const { id } = await stream.append(subject, { type: 'a' })
    expect(await Promise.all(['now', 'start', '7'].map(from => positionOf(stream, subject, from)))).toEqual([id, '0', '7'])
    await expectRefused(() => positionOf(stream, subject, 'yesterday'), 'after')
  })
})
