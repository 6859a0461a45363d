/** What is told of events that fail: in the log, and as an event for code. */
import { describe, expect, it, vi } from 'vitest'
import { embeddedAndServer } from '../setup/backends'
import { append, started } from '../setup/consumers'

const logger = () => ({ info: vi.fn(), warn: vi.fn(), error: vi.fn(), debug: vi.fn() })

describe.each(embeddedAndServer)('dead letters on $name', ({ open, available }) => {
  it.runIf(available()).each([
    { transaction: 'batch' }, { transaction: 'none' }, { order: 'global', onExhausted: 'skip' }, { onExhausted: 'skip', maxAttempts: 1 },
  ] as const)('are logged and emitted, without secrets, and no more than ten a minute: %o', async (options) => {
    const log = logger()
    const { store } = await open({ logger: log })
    for (let at = 0; at < 12; at++) await append(store, `a${at}`, 1)
    const emitted: unknown[] = []
    store.admin.on('deadLetter', letter => emitted.push(letter))
    const consumer = await started(store, { name: 'fails', maxAttempts: 2, backoff: { first: 1, max: 1 }, ...options, handler() {
      throw new TypeError('refused:\npassword=hunter2')
    } })
    await vi.waitFor(() => expect(emitted).toHaveLength(12), 20_000)
    const attempts = 'maxAttempts' in options ? 1 : 2
    expect(emitted[0]).toEqual({ consumer: 'fails', subject: expect.stringMatching(/^a\d/) as string, eventId: expect.any(String) as string, attempts, error: { name: 'TypeError', message: 'refused:\npassword=***' } })
    const lines = log.warn.mock.calls.map(([line]) => line as string)
    expect(lines).toHaveLength(10)
    for (const line of lines) expect(line).toMatch(new RegExp(`^consumer fails: dead letter after attempt ${attempts} at event \\d+ of "a\\d+": TypeError: refused: password=\\*\\*\\*$`))
    expect(log.debug).toHaveBeenCalledTimes(10)
    await consumer.stop()
    await store.close()
    expect(log.warn.mock.calls.at(-1)![0]).toBe('consumer fails: 2 further dead letters within a minute, see store.deadLetters')
  })

  it.runIf(available()).each(['park', 'skip'] as const)('of leases are logged and emitted as those of handlers are, by whatever way an event is given up: %s', async (onExhausted) => {
    const log = logger()
    const { store } = await open({ logger: log })
    const emitted: unknown[] = []
    store.admin.on('deadLetter', letter => emitted.push(letter))
    const consumer = 'pulled'
    await store.leases.open({ consumer, onExhausted, maxAttempts: 2, backoff: { first: 0, max: 0 } })
    const claim = async (leaseMs?: number) => (await store.leases.claim({ consumer, by: 'worker', limit: 1, ...leaseMs && { leaseMs } }))[0]!
    const letter = (subject: string, attempts: number, name: string, message: string) => ({ consumer, subject, eventId: expect.any(String) as string, attempts, error: { name, message } })

    await append(store, 'a', 1)
    for (const error of [new TypeError('first'), new TypeError('refused:\npassword=hunter2')]) await store.leases.nack(await claim(), { error })
    await append(store, 'b', 1)
    await store.leases.nack(await claim(), { error: 'first' })
    // Its worker is gone: the next claim of any worker finds it.
    await claim(1)
    await vi.waitFor(async () => {
      expect(await claim()).toBeUndefined()
      expect(emitted).toHaveLength(2)
    }, 20_000)
    await append(store, 'c', 1)
    await store.leases.block(await claim(), { reason: 'no such product' })
    await append(store, 'd', 1)
    await store.leases.nack(await claim(), { error: 'first' })
    await store.leases.block({ consumer, subject: 'd' }, { reason: 'on hold' })

    expect(emitted).toEqual([
      letter('a', 2, 'TypeError', 'refused:\npassword=***'), letter('b', 2, 'LeaseLost', 'the lease of the worker has run out'),
      letter('c', 1, 'Blocked', 'no such product'), letter('d', 1, 'Blocked', 'on hold'),
    ])
    expect(log.warn.mock.calls.map(([line]) => line as string)).toEqual([
      expect.stringMatching(/^consumer pulled: dead letter after attempt 2 at event \d+ of "a": TypeError: refused: password=\*\*\*$/),
      ...['b', 'c', 'd'].map(subject => expect.stringContaining(`of "${subject}": `) as string),
    ])
    expect(store.admin.metrics().consumers[consumer]).toMatchObject({ deadLetters: 4 })
    expect((await store.deadLetters.list({ consumer })).letters).toHaveLength(4)
    // Nothing becomes a letter a second time.
    await store.leases.block({ consumer, subject: 'd' }, { reason: 'on hold' })
    await append(store, 'e', 1)
    await store.leases.ack(await claim())
    expect(emitted).toHaveLength(4)
    await store.close()
  })
})
