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
})
