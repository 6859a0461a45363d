import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createStore, defineConsumer, eventCodec } from '../../src/runtime/core/index'
import type { ConsumedEvent, ConsumerContext, EventRecord, TypedConsumedEvent } from '../../src/runtime/core/index'

const wrong = (value: unknown): never => value as never
const refusal = (argument: string) => expect.objectContaining({ code: 'INVALID_VALUE', details: expect.objectContaining({ argument }) as unknown }) as unknown
const context = {} as ConsumerContext
const event = (fields: Partial<EventRecord>): ConsumedEvent => ({ id: '17', ts: 1, type: 'order.paid', runId: 'r', flowName: 'f', subject: 'orders:1', ...fields })

describe('defineConsumer', () => {
  it('gives back what it was given where there is no schema', () => {
    const handler = () => undefined
    expect(defineConsumer({ subjects: ['orders:*'], handler })).toEqual({ subjects: ['orders:*'], handler })
  })

  it.each([
    ['no options', undefined, 'options'],
    ['an unknown option', { handle: () => undefined }, 'options.handle'],
    ['no schema', { schema: 5 }, 'codec'],
    ['no schema of a type', { schema: { a: 5 } }, 'codec["a"]'],
    ['no type at all', { schema: {} }, 'options.schema'],
    ['a type without a schema', { schema: { a: z.number() }, types: ['a', 'b'] }, 'options.types.1'],
    ['a type that every object has', { schema: { a: z.number() }, types: ['toString'] }, 'options.types.0'],
    ['types that are none', { schema: { a: z.number() }, types: 'a' }, 'options.types'],
  ])('with %s is refused where it is used, and not where the module of its file loads', (_, options, argument) => {
    const { consume } = createStore({ connection: 'pglite://memory' })
    const definition = defineConsumer(wrong(options))
    expect(() => consume(wrong(definition))).toThrow(refusal(argument))
    expect(() => consume({ name: 'mail', ...definition })).toThrow(refusal(argument))
    // Nothing that is added makes it right.
    expect(() => consume({ ...definition, name: 'mail', handler: () => undefined })).toThrow(refusal(argument))
    expect(() => consume({ name: 'mail', ...defineConsumer(wrong({ ...definition, batchSize: 5 })) })).toThrow(refusal(argument))
  })

  it.each([
    ['zod', z.object({ total: z.string().transform(Number) })],
    ['valibot', v.object({ total: v.pipe(v.string(), v.transform(Number)) })],
    ['arktype', type({ total: 'string.numeric.parse' })],
    ['an asynchronous schema', z.object({ total: z.string().transform(async text => Promise.resolve(Number(text))) })],
  ])('hands on the output of %s, by type or for all events', async (_, schema) => {
    const seen: unknown[] = []
    const handler = ({ data, subject, type }: { data?: unknown, subject: string, type: string }) => void seen.push([subject, type, data])
    for (const given of [schema, { 'order.paid': schema }, eventCodec({ 'order.paid': schema })]) {
      const { handler: one } = defineConsumer({ schema: given as typeof schema, handler })
      await one!(event({ data: { total: '5' } }), context)
      const { batchHandler: many } = defineConsumer({ schema: given as typeof schema, batchHandler: events => events.map(handler) })
      await many!([event({ data: { total: '6' } }), event({ data: { total: '7' } })], context)
    }
    expect(seen).toEqual([1, 2, 3].flatMap(() => ['5', '6', '7'].map(total => ['orders:1', 'order.paid', { total: Number(total) }])))
  })

  it('reads events of its types only, and of all types with one schema', () => {
    const schema = { 'order.paid': z.number(), 'order.placed': z.number() }
    const handler = () => undefined
    expect(defineConsumer({ schema, handler }).types).toEqual(['order.paid', 'order.placed'])
    expect(defineConsumer({ schema, types: [], handler }).types).toEqual(['order.paid', 'order.placed'])
    expect(defineConsumer({ schema, types: ['order.placed'], handler }).types).toEqual(['order.placed'])
    expect(defineConsumer({ schema: z.number(), handler }).types).toBeUndefined()
    expect(defineConsumer({ schema: z.number(), types: ['any'], handler }).types).toEqual(['any'])
  })

  it('upcasts events that were written with an older version', () => {
    const codec = eventCodec({ 'order.paid': { version: 2, schema: z.object({ cents: z.number() }) } })
      .upcast('order.paid', 1, (data: { total: number }) => ({ cents: data.total * 100 }))
    const seen: unknown[] = []
    const { handler } = defineConsumer({ schema: codec, handler: ({ data }) => void seen.push(data.cents) })
    handler!(event({ data: { total: 5 } }), context)
    handler!(event({ data: { cents: 5 }, schemaVersion: 2 }), context)
    expect(seen).toEqual([500, 5])
  })

  it('fails where data is refused, with the event and the path, and does not call the handler', async () => {
    const handler = () => expect.unreachable()
    const data = { total: 'x' }
    for (const schema of [z.object({ total: z.number() }), { 'order.paid': z.object({ total: z.number() }) }] as never[]) {
      const definition = defineConsumer({ schema, handler })
      await expect((async () => definition.handler!(event({ data }), context))()).rejects.toMatchObject({ code: 'INVALID_VALUE', details: { id: '17', type: 'order.paid', path: 'data.total' } })
      const many = defineConsumer({ schema, batchHandler: handler })
      await expect((async () => many.batchHandler!([event({ data })], context))()).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    }
  })
})

describe('the types of a consumer', () => {
  it('are those of its schemas', () => {
    void (() => {
      defineConsumer({ handler: event => expectTypeOf(event.subject).toEqualTypeOf<string>() })
      defineConsumer({
        schema: { a: z.object({ at: z.string().transform(text => new Date(text)) }), b: v.number() },
        handler(event, { tx }) {
          expectTypeOf(event.subject).toEqualTypeOf<string>()
          if (event.type === 'a') expectTypeOf(event.data.at).toEqualTypeOf<Date>()
          else expectTypeOf(event.data).toEqualTypeOf<number>()
          return tx.kv.increment('x')
        },
      })
      defineConsumer({ schema: type({ text: 'string' }), batchHandler: ([first]) => expectTypeOf(first!.data.text).toEqualTypeOf<string>() })
      defineConsumer({ schema: eventCodec({ a: z.number() }), handler: event => expectTypeOf(event.data).toEqualTypeOf<number>() })
      // @ts-expect-error it has no such type
      defineConsumer({ schema: { a: z.number() }, types: ['b'], handler: () => undefined })
      // @ts-expect-error a number is no schema
      defineConsumer({ schema: 5, handler: () => undefined })
      // @ts-expect-error no such option
      defineConsumer({ handle: () => undefined })
      expectTypeOf<TypedConsumedEvent<undefined>['id']>().toEqualTypeOf<string>()
    })
  })
})
