import { describe, expect, it, vi } from 'vitest'
import { eventually } from '../setup/eventually'
import { createNotifier } from '../../src/runtime/core/log/notifier'

const quiet = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }

describe('a notifier', () => {
  it('notifies at once, and once more for all that comes meanwhile', async () => {
    const send = vi.fn(async () => {})
    const notifier = createNotifier(send, quiet)
    for (let call = 0; call < 1000; call++) notifier.onAppend('a')
    expect(send).toHaveBeenCalledTimes(1)
    await eventually(() => expect(send).toHaveBeenCalledTimes(2))
    await notifier.stop()
    expect(send).toHaveBeenCalledTimes(2)
  })

  it('tells what is left when it closes', async () => {
    const send = vi.fn(async () => {})
    const notifier = createNotifier(send, quiet)
    notifier.onAppend('a')
    notifier.onAppend('a')
    await notifier.stop()
    expect(send).toHaveBeenCalledTimes(2)
  })

  it('goes on after one that failed, and says so', async () => {
    const send = vi.fn(async () => {}).mockRejectedValueOnce(new Error('no connection'))
    const logger = { ...quiet, warn: vi.fn() }
    const notifier = createNotifier(send, logger)
    notifier.onAppend('a')
    notifier.onAppend('a')
    await eventually(() => expect(send).toHaveBeenCalledTimes(2))
    expect(logger.warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('no connection'))
    await notifier.stop()
  })
})
