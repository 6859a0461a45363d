import { describe, expect, it } from 'vitest'
import { createHandoff } from '../../src/runtime/core/log/subscriptions/eventIterator'

describe('a handoff', () => {
  it('lets the giver wait until the taker comes back', async () => {
    const handoff = createHandoff<number>()
    const order: string[] = []
    const giving = (async () => {
      for (const value of [1, 2]) {
        await handoff.give(value)
        order.push(`given ${value}`)
      }
      handoff.end()
    })()
    for await (const value of handoff.taken()) {
      await new Promise(resolve => setTimeout(resolve, 1))
      order.push(`taken ${value}`)
    }
    await giving
    expect(order).toEqual(['taken 1', 'given 1', 'taken 2', 'given 2'])
  })

  it('lets the giver go when the taker leaves', async () => {
    const handoff = createHandoff<number>()
    const giving = handoff.give(1)
    for await (const value of handoff.taken()) {
      expect(value).toBe(1)
      break
    }
    await giving
    handoff.end()
    await handoff.give(2)
  })

  it('passes an error on', async () => {
    const handoff = createHandoff<number>()
    handoff.end(new RangeError('no more'))
    await expect(handoff.taken().next()).rejects.toThrow('no more')
  })
})
