import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { eventCodec } from '../../src/runtime/core/index'
import { failingStore } from '../../src/runtime/server/failing'
import { decode, encode } from '../../src/runtime/core/typed/typedEvents'
import { entriesOf } from '../../src/runtime/core/typed/codec'
import type { EventRecord, StandardSchema } from '../../src/runtime/core/index'

const wrong = (value: unknown): never => value as never
const refusal = (argument: string) => expect.objectContaining({ code: 'INVALID_VALUE', details: expect.objectContaining({ argument }) as unknown }) as unknown

/** A schema that does what a test wants. */
const schemaOf = (validate: StandardSchema['~standard']['validate']): StandardSchema => ({ '~standard': { version: 1, vendor: 'test', validate } })
const record = (fields: Partial<EventRecord>): EventRecord => ({ id: '17', ts: 1, type: 'a', runId: 'r', flowName: 'f', ...fields })

describe('eventCodec', () => {
  const schema = z.number()

  it.each([
    ['nothing', undefined, 'codec'],
    ['a type without a name', { '': schema }, 'the type of an event in codec'],
    ['no schema', { a: 5 }, 'codec["a"]'],
    ['no schema in it', { a: { version: 1, schema: {} } }, 'codec["a"].schema'],
    ['a version that is none', { a: { version: 1.5, schema } }, 'codec["a"].version'],
    ['version 0', { a: { version: 0, schema } }, 'codec["a"].version'],
  ])('refuses %s', (_, schemas, argument) => {
    expect(() => eventCodec(wrong(schemas))).toThrow(refusal(argument))
    expect(() => entriesOf(wrong(schemas))).toThrow(refusal(argument))
  })

  it('refuses an upcast that leads nowhere', () => {
    const codec = eventCodec({ a: { version: 3, schema } })
    const keep = (data: unknown) => data
    expect(() => codec.upcast(wrong('b'), 1, keep)).toThrow(refusal('type'))
    expect(() => codec.upcast(wrong('toString'), 1, keep)).toThrow(refusal('type'))
    for (const version of [0, 3, 4, 1.5, '1']) expect(() => codec.upcast('a', wrong(version), keep)).toThrow(refusal('fromVersion'))
    expect(() => codec.upcast('a', 1, wrong('x'))).toThrow(refusal('upgrade'))
    expect(() => codec.upcast('a', 1, keep).upcast('a', 1, keep)).toThrow(refusal('fromVersion'))
  })

  it('is not changed by an upcast: it gives another one', () => {
    const codec = eventCodec({ a: { version: 2, schema } })
    const more = codec.upcast('a', 1, data => data)
    expect([codec.upcasts, Object.keys(more.upcasts.a!)]).toEqual([{}, ['1']])
  })
})

describe('the view of a store that could not be made', () => {
  it('says why at each call', async () => {
    const reason = new Error('no database')
    await expect(failingStore(reason).stream.of({ a: z.number() }).read('orders:1')).rejects.toBe(reason)
    await expect(failingStore(reason).stream.read('orders:1')).rejects.toBe(reason)
  })
})

describe('a typed event', () => {
  it('is encoded and decoded at once when its schema needs no time', async () => {
    const entries = entriesOf({ a: z.number(), b: z.number().refine(async () => Promise.resolve(true)) })
    expect(encode(entries, { type: 'a', data: 1 }, 'event')).toEqual({ type: 'a', data: 1 })
    expect(decode(entries, record({ data: 1 }))).toEqual(record({ data: 1 }))
    expect(encode(entries, { type: 'b', data: 1 }, 'event')).toBeInstanceOf(Promise)
    await expect(decode(entries, record({ type: 'b', data: 1 }))).resolves.toEqual(record({ type: 'b', data: 1 }))
  })

  it('is stored as it was when its schema saw it', async () => {
    let finish = () => {}
    const slow = schemaOf(value => new Promise((resolve) => {
      finish = () => resolve({ value })
    }))
    const data = { items: [1] }
    const encoded = encode(entriesOf({ a: slow }), { type: 'a', data }, 'event')
    data.items.push(2)
    finish()
    expect(await encoded).toEqual({ type: 'a', data: { items: [1] } })
  })

  it.each([
    ['throws', () => { throw new RangeError('broken') }],
    ['rejects', async () => Promise.reject(new RangeError('broken'))],
  ])('says so when its schema %s', async (_, validate) => {
    const entries = entriesOf({ a: schemaOf(validate) })
    await expect((async () => encode(entries, { type: 'a' }, 'events.2'))()).rejects.toMatchObject({
      code: 'INVALID_VALUE', message: 'events.2.data (a, version 1) could not be checked, its schema failed: broken', cause: expect.any(RangeError) as unknown,
    })
  })

  it('is named with every kind of path, and with how much more is wrong', async () => {
    const issues = [{ message: 'first', path: ['list', 0, { key: 'name' }, Symbol.iterator] }, { message: 'second' }]
    const entries = entriesOf({ a: { version: 2, schema: schemaOf(() => ({ issues })) } })
    await expect((async () => decode(entries, record({ schemaVersion: 2 })))()).rejects.toMatchObject({
      message: 'event 17.data.list.0.name.Symbol(Symbol.iterator) (a, version 2) was refused by its schema: first (and 1 more)',
      details: { id: '17', type: 'a', version: 2, issues: [{ path: 'data.list.0.name.Symbol(Symbol.iterator)' }, { path: 'data' }] },
    })
    await expect((async () => decode(entriesOf({ a: schemaOf(() => ({ issues: [] })) }), record({})))()).rejects.toMatchObject({ details: { path: 'data' } })
  })

  it('may be called like a member every object has', () => {
    const entries = entriesOf({ constructor: z.number() } as never)
    expect(encode(entries, { type: 'constructor', data: 1 }, 'event')).toEqual({ type: 'constructor', data: 1 })
    expect(() => encode(entries, { type: 'toString', data: 1 }, 'event')).toThrow(refusal('event.type'))
  })
})
