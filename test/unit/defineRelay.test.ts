import { describe, expect, expectTypeOf, it } from 'vitest'
import { createStore, defineRelay } from '../../src/runtime/core/index'
import type { OutboxMessage } from '../../src/runtime/core/index'

const wrong = (value: unknown): never => value as never
const refusal = (argument: string) => expect.objectContaining({ code: 'INVALID_VALUE', details: expect.objectContaining({ argument }) as unknown }) as unknown
const publish = () => undefined

describe('defineRelay', () => {
  it('gives back what it was given', () => {
    expect(defineRelay({ topics: ['mail'], publish })).toEqual({ topics: ['mail'], publish })
  })

  it.each([
    ['no options', undefined, 'options'],
    ['an option of a consumer', { publish, handler: publish }, 'options.handler'],
    ['no publish', { topics: ['mail'] }, 'options.publish'],
    ['a publish that is none', { publish: 'mail' }, 'options.publish'],
    ['another value that can not be right', { publish, concurrency: 0 }, 'options.concurrency'],
  ])('with %s is refused where it is used', (_, options, argument) => {
    const { outbox } = createStore({ connection: 'pglite://memory' })
    const definition = defineRelay(wrong(options))
    expect(() => outbox.relay(definition)).toThrow(refusal(argument))
    expect(() => outbox.relay({ ...definition, name: 'mail' })).toThrow(refusal(argument))
  })

  it('has the types of a relay', () => {
    void (() => {
      defineRelay({ publish: message => expectTypeOf(message).toEqualTypeOf<OutboxMessage>() })
      // @ts-expect-error no such option
      defineRelay({ publish, handler: publish })
      // @ts-expect-error nothing is published
      defineRelay({ topics: ['mail'] })
    })
  })
})
