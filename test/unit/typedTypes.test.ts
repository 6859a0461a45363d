import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { eventCodec } from '../../src/runtime/core/index'
import type { EventTypeOf, StandardSchema, Store, TransactionApi, TypedEvent, TypedEventInput } from '../../src/runtime/core/index'

// Type-checked by `npm run test:types`: every `@ts-expect-error` fails when the line below it has no error. The calls
// are in functions that nobody runs.
const codec = eventCodec({
  'order.placed': { version: 2, schema: z.object({ cents: z.number(), at: z.string().transform(text => new Date(text)) }) },
  'order.paid': v.object({ method: v.picklist(['card', 'cash']) }),
  'order.noted': type({ 'text': 'string', 'mood?': '\'good\'|\'bad\'' }),
  'order.closed': z.undefined(),
}).upcast('order.placed', 1, (data: { total: number }) => ({ ...data, cents: data.total * 100 }))

type Schemas = typeof codec.schemas
declare const store: Store
declare const tx: TransactionApi

describe('the types of a typed stream', () => {
  it('take the schemas of every library', () => {
    expectTypeOf<StandardSchemaV1<string, number>>().toExtend<StandardSchema<string, number>>()
    expectTypeOf<EventTypeOf<Schemas>>().toEqualTypeOf<'order.placed' | 'order.paid' | 'order.noted' | 'order.closed'>()
  })

  it('tell what is given from what is read', () => {
    expectTypeOf<TypedEventInput<Schemas, 'order.placed'>['data']>().toEqualTypeOf<{ cents: number, at: string }>()
    expectTypeOf<TypedEvent<Schemas, 'order.placed'>['data']>().toEqualTypeOf<{ cents: number, at: Date }>()
    expectTypeOf<TypedEvent<Schemas, 'order.paid'>['data']>().toEqualTypeOf<{ method: 'card' | 'cash' }>()
    expectTypeOf<TypedEvent<Schemas, 'order.noted'>['data']>().toEqualTypeOf<{ text: string, mood?: 'good' | 'bad' }>()
    expectTypeOf<TypedEvent<Schemas>['id']>().toEqualTypeOf<string>()
  })

  it('refuse what the schemas do not have', () => {
    void (async () => {
      const orders = store.stream.of(codec)
      await orders.append('orders:1', { type: 'order.paid', data: { method: 'card' }, any: 'field' })
      await orders.append('orders:1', { type: 'order.closed' })
      // @ts-expect-error no such field
      await orders.append('orders:1', { type: 'order.paid', data: { method: 'card', wrong: 1 } })
      // @ts-expect-error a wrong value
      await orders.append('orders:1', { type: 'order.paid', data: { method: 'shells' } })
      // @ts-expect-error data of another type
      await orders.append('orders:1', { type: 'order.paid', data: { text: 'x' } })
      // @ts-expect-error a field is missing
      await orders.append('orders:1', { type: 'order.placed', data: { cents: 1 } })
      // @ts-expect-error data is missing
      await orders.append('orders:1', { type: 'order.placed' })
      // @ts-expect-error no such event
      await orders.append('orders:1', { type: 'order.lost', data: {} })
      // @ts-expect-error one of them is wrong
      await orders.appendMany('orders:1', [{ type: 'order.closed' }, { type: 'order.paid', data: { method: 1 } }])
      // @ts-expect-error no such event
      await orders.read('orders:1', { types: ['order.lost'] })
      // @ts-expect-error no such event
      codec.upcast('order.lost', 1, data => data)
      // @ts-expect-error there is no schema
      store.stream.of({ 'order.placed': { version: 1 } })
    })
  })

  it('narrow by the type of an event', () => {
    void (async () => {
      const orders = store.stream.of(codec)
      for (const event of await orders.read('orders:1')) {
        if (event.type === 'order.placed') expectTypeOf(event.data).toEqualTypeOf<{ cents: number, at: Date }>()
        else if (event.type === 'order.paid') expectTypeOf(event.data).toEqualTypeOf<{ method: 'card' | 'cash' }>()
        // @ts-expect-error it depends on the type
        void event.data.cents
      }
      const [paid] = await orders.read('orders:1', { types: ['order.paid'] })
      expectTypeOf(paid!.data.method).toEqualTypeOf<'card' | 'cash'>()
      const placed = await orders.append('orders:1', { type: 'order.placed', data: { cents: 1, at: '2026-01-01' } })
      expectTypeOf(placed.data.at).toEqualTypeOf<Date>()
      await orders.subscribe('orders:1', event => expectTypeOf(event.type).toEqualTypeOf<EventTypeOf<Schemas>>())
    })
  })

  it('hold for a plain object of schemas and inside a transaction, which follows nothing', () => {
    void (async () => {
      const plain = store.stream.of({ counted: z.number() })
      await plain.append('a', { type: 'counted', data: 1 })
      // @ts-expect-error a text is no number
      await plain.append('a', { type: 'counted', data: '1' })
      const orders = tx.stream.of(codec)
      await orders.append('orders:1', { type: 'order.closed' })
      // @ts-expect-error a wrong value
      await orders.append('orders:1', { type: 'order.paid', data: { method: 'shells' } })
      // @ts-expect-error nothing is followed in a transaction
      void orders.subscribe
    })
  })
})
