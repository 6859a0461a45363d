import { describe, expect, it } from 'vitest'
import { createEventIterator } from '../../src/runtime/core/log/subscriptions/eventIterator'

describe('an event iterator', () => {
  it('lets the giver wait until the taker comes back', async () => {
    const iterator = createEventIterator<number>()
    const order: string[] = []
    const giving = (async () => {
      for (const value of [1, 2]) {
        await iterator.give(value)
        order.push(`given ${value}`)
      }
      iterator.end()
    })()
    for await (const value of iterator.consumer()) {
      await new Promise(resolve => setTimeout(resolve, 1))
      order.push(`taken ${value}`)
    }
    await giving
    expect(order).toEqual(['taken 1', 'given 1', 'taken 2', 'given 2'])
  })

  it('lets the giver go when the taker leaves', async () => {
    const iterator = createEventIterator<number>()
    const giving = iterator.give(1)
    for await (const value of iterator.consumer()) {
      expect(value).toBe(1)
      break
    }
    await giving
    iterator.end()
    await iterator.give(2)
  })

  it('passes an error on', async () => {
    const iterator = createEventIterator<number>()
    iterator.end(new RangeError('no more'))
    await expect(iterator.consumer().next()).rejects.toThrow('no more')
  })
})
