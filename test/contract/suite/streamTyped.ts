import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { eventually } from '../../setup/eventually'
import { eventCodec } from '../../../src/runtime/core/index'
import { expectRefused, failureOf, unique, wrong } from './context'
import type { Use } from './context'

/** The same event in each library: a text that is read as a Date, a default, and a rule that needs time. */
const libraries = {
  zod: z.object({
    total: z.number().min(0),
    at: z.string().transform(text => new Date(text)),
    currency: z.string().default('EUR'),
  }),
  valibot: v.object({
    total: v.pipe(v.number(), v.minValue(0)),
    at: v.pipe(v.string(), v.transform(text => new Date(text))),
    currency: v.optional(v.string(), 'EUR'),
  }),
  arktype: type({
    'total': 'number >= 0',
    'at': type('string').pipe(text => new Date(text)),
    'currency?': 'string',
  }).pipe(data => ({ currency: 'EUR', ...data })),
}

export function streamTypedSuite(use: Use): void {
  describe.each(Object.entries(libraries))('stream.of with %s', (_, schema) => {
    const given = { total: 99, at: '2026-01-02T03:04:05.000Z' }
    const read = { total: 99, at: new Date(given.at), currency: 'EUR' }

    it('stores what was given and reads what the schema makes of it', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const orders = stream.of({ 'order.placed': schema })
      const placed = await orders.append(subject, { type: 'order.placed', data: given, flowName: 'checkout', extra: [1] })
      expect(placed).toStrictEqual({
        id: expect.stringMatching(/^\d+$/), ts: expect.any(Number), type: 'order.placed', data: read, flowName: 'checkout', extra: [1],
      })
      expect(await orders.read(subject)).toStrictEqual([placed])
      const [untyped] = await stream.read(subject)
      expect(untyped, 'no field is invented').toStrictEqual({ ...placed, data: given })
    })

    it('refuses what does not fit when it is written, and names it', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const orders = stream.of({ 'order.placed': schema })
      const error = await failureOf(() => orders.append(subject, { type: 'order.placed', data: { ...given, total: wrong('a lot') } }))
      expect(error).toMatchObject({
        code: 'INVALID_VALUE',
        message: expect.stringMatching(/^event\.data\.total \(order\.placed, version 1\) was refused by its schema: ./) as string,
        details: { type: 'order.placed', version: 1, path: 'data.total', issues: [{ path: 'data.total', message: expect.any(String) as string }] },
      })
      await expectRefused(() => orders.appendMany(subject, [{ type: 'order.placed', data: given }, { type: 'order.placed', data: { ...given, total: -1 } }]), 'events.1.data.total')
      expect(await stream.read(subject)).toStrictEqual([])
    })

    it('refuses what does not fit when it is read, and names event, version and path', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const { id } = await stream.append(subject, { type: 'order.placed', data: { ...given, total: 'a lot' } })
      const error = await failureOf(() => stream.of({ 'order.placed': schema }).read(subject))
      expect(error).toMatchObject({
        code: 'INVALID_VALUE',
        message: expect.stringContaining(`event ${id}.data.total (order.placed, version 1) was refused by its schema`) as string,
        details: { id, type: 'order.placed', version: 1, path: 'data.total' },
      })
    })

    it('gives a subscription what it read', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const orders = stream.of({ 'order.placed': schema })
      const seen: unknown[] = []
      const subscription = await orders.subscribe(subject, event => seen.push(event))
      const placed = await orders.append(subject, { type: 'order.placed', data: given })
      await eventually(() => expect(seen).toStrictEqual([placed]))
      await subscription.unsubscribe()
    })
  })

  describe('stream.of', () => {
    const codec = eventCodec({
      counted: z.number(),
      slow: z.string().refine(async text => Promise.resolve(text !== 'no')),
      empty: z.undefined(),
    })

    it('takes schemas that need time, and keeps the order', async () => {
      const { stream } = use().store
      const subject = unique()
      const view = stream.of(codec)
      await view.appendMany(subject, [{ type: 'slow', data: 'yes' }, { type: 'counted', data: 1 }, { type: 'slow', data: 'too' }, { type: 'empty' }])
      expect((await view.read(subject)).map(event => event.data)).toStrictEqual(['yes', 1, 'too', undefined])
      await expectRefused(() => view.append(subject, { type: 'slow', data: 'no' }), 'event.data')
      await stream.append(subject, { type: 'slow', data: 'no' })
      expect((await failureOf(() => view.read(subject))).details).toMatchObject({ type: 'slow', path: 'data' })
    })

    it('keeps the order of calls that are not waited for', async ({ skip }) => {
      skip(use().batching === false, 'there is no order without batching')
      const { stream } = use().store
      const subject = unique()
      const view = stream.of(codec)
      await Promise.all([
        view.append(subject, { type: 'counted', data: 1 }),
        stream.append(subject, { type: 'counted', data: 2 }),
        view.append(subject, { type: 'counted', data: 3 }),
      ])
      expect((await view.read(subject)).map(event => event.data)).toStrictEqual([1, 2, 3])
    })

    it('checks the form in which a value comes back', async () => {
      const { stream } = use().store
      const subject = unique()
      const view = stream.of({ at: z.date(), given: z.object({ at: z.coerce.date<string | Date>() }) })
      // A Date comes back as a text: an event nobody could read again is refused.
      await expectRefused(() => view.append(subject, { type: 'at', data: new Date() }), 'event.data')
      const at = new Date('2026-01-02T03:04:05Z')
      expect((await view.append(subject, { type: 'given', data: { at } })).data).toStrictEqual({ at })
      await expectRefused(() => view.append(subject, { type: 'given', data: { at: wrong(1n) } }), 'event.data.at')
    })

    it('reads by type and range like the stream itself', async () => {
      const { stream } = use().store
      const subject = unique()
      const view = stream.of(codec)
      const events = await view.appendMany(subject, [{ type: 'counted', data: 1 }, { type: 'empty' }, { type: 'counted', data: 2 }])
      expect(await view.read(subject, { types: ['counted'], order: 'desc', limit: 1 })).toStrictEqual([events[2]])
      expect(await view.read(subject, { after: events[0]!.id })).toStrictEqual(events.slice(1))
    })

    it('refuses an unknown type, or skips it when it is told to', async () => {
      const { stream } = use().store
      const subject = unique()
      const view = stream.of(codec)
      await expectRefused(() => view.append(subject, wrong({ type: 'other', data: 1 })), 'event.type')
      const { id } = await stream.append(subject, { type: 'other', data: 1 })
      await view.append(subject, { type: 'counted', data: 1 })
      const error = await failureOf(() => view.read(subject))
      expect(error).toMatchObject({ code: 'INVALID_VALUE', details: { id, type: 'other' }, message: expect.stringContaining('{ unknown: \'skip\' }') as string })
      const skipping = stream.of(codec, { unknown: 'skip' })
      expect((await skipping.read(subject, { limit: 1 })).map(event => event.data)).toStrictEqual([1])

      const seen: unknown[] = []
      const errors: unknown[] = []
      const subscription = await skipping.subscribe(subject, event => seen.push(event.data))
      await view.subscribe(subject, () => {}, { onError: failure => errors.push(failure) })
      await stream.append(subject, { type: 'other', data: 2 })
      await view.append(subject, { type: 'counted', data: 3 })
      await eventually(() => expect(seen).toStrictEqual([3]))
      await eventually(() => expect(errors).toMatchObject([{ code: 'INVALID_VALUE', details: { type: 'other' } }]))
      await subscription.unsubscribe()
    })

    it('works in a transaction, and goes with it', async () => {
      const { store } = use()
      const subject = unique()
      await store.transaction(async (tx) => {
        const view = tx.stream.of(codec)
        expect('subscribe' in view).toBe(false)
        await view.append(subject, { type: 'counted', data: 1 })
        await expectRefused(() => view.append(subject, { type: 'counted', data: wrong('one') }), 'event.data')
        expect((await view.read(subject)).map(event => event.data)).toStrictEqual([1])
      })
      await expect(store.transaction(async (tx) => {
        await tx.stream.of(codec).append(subject, { type: 'counted', data: 2 })
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      expect((await store.stream.of(codec).read(subject)).map(event => event.data)).toStrictEqual([1])
    })
  })

  describe('upcast', () => {
    const first = { 'order.placed': z.object({ total: z.number() }) }
    const third = eventCodec({ 'order.placed': { version: 3, schema: z.object({ cents: z.number(), currency: z.string() }) } })
      .upcast('order.placed', 2, (data: { cents: number }) => ({ ...data, currency: 'EUR' }))
      .upcast('order.placed', 1, async (data: { total: number }) => Promise.resolve({ cents: data.total * 100 }))

    it('brings older events to the current version step by step, and leaves them as they are', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      await stream.of(first).append(subject, { type: 'order.placed', data: { total: 1 } })
      await stream.append(subject, { type: 'order.placed', schemaVersion: 2, data: { cents: 200 } })
      await stream.of(third).append(subject, { type: 'order.placed', data: { cents: 300, currency: 'CHF' } })
      expect((await stream.of(third).read(subject)).map(event => event.data)).toStrictEqual([
        { cents: 100, currency: 'EUR' }, { cents: 200, currency: 'EUR' }, { cents: 300, currency: 'CHF' },
      ])
      expect((await stream.read(subject)).map(({ schemaVersion, data }) => [schemaVersion, data])).toStrictEqual([
        [undefined, { total: 1 }], [2, { cents: 200 }], [3, { cents: 300, currency: 'CHF' }],
      ])
    })

    it('writes its own version, whatever the caller says', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      await stream.of(first).append(subject, { type: 'order.placed', data: { total: 1 }, schemaVersion: 9 })
      await stream.of(third).append(subject, { type: 'order.placed', data: { cents: 1, currency: 'EUR' }, schemaVersion: 9 })
      expect((await stream.read(subject)).map(event => event.schemaVersion)).toStrictEqual([undefined, 3])
    })

    it.each([
      ['a newer version', { schemaVersion: 4 }, 'schemaVersion', 'written by a newer release'],
      ['no version', { schemaVersion: 'two' }, 'schemaVersion', 'is "two"'],
      ['a version without a step', { schemaVersion: 1, only: 'second' }, 'data', 'can\'t be upcast to version 2'],
      ['a step that fails', { data: null }, 'data', 'could not be upcast to version 2: '],
    ])('names the event that has %s', async (_, fields, path, reason) => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const { id } = await stream.append(subject, { type: 'order.placed', data: { total: 1 }, ...fields })
      const codec = 'only' in fields ? eventCodec(third.schemas).upcast('order.placed', 2, data => data) : third
      const error = await failureOf(() => stream.of(codec).read(subject))
      expect(error).toMatchObject({ code: 'INVALID_VALUE', details: { id, type: 'order.placed', path }, message: expect.stringContaining(reason) as string })
    })
  })
}
