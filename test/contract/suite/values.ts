import { describe, expect, it } from 'vitest'
import { asJson, expectRefused, failureOf, indexKinds, metadataOf, streamKinds, unique } from './context'
import type { Context, Use } from './context'

class Money {
  constructor(readonly amount: number) {}
  toJSON() {
    return { amount: this.amount, currency: 'EUR' }
  }
}

// What is in the middle of a hole has to be null, as JSON.stringify makes it.
const holes: unknown[] = [1]
holes[2] = 3

const keptValues: [what: string, value: unknown][] = [
  ['0', 0],
  ['false', false],
  ['an empty text', ''],
  ['null', null],
  ['an empty object', {}],
  ['an empty array', []],
  ['true', true],
  ['fractions', [0.1, -0.1, 0.1 + 0.2, 1 / 3, 1e-7]],
  ['whole numbers past 2^31', [2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1]],
  ['numbers past 2^53', [2 ** 53, 2 ** 63, 2 ** 64, 1e21, 123456789012345680000]],
  ['the largest and smallest numbers', [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON]],
  ['negative zero', -0],
  ['texts that look like other values', ['0', 'null', 'true', '[]', '{}', '1e3', 'NaN', '2026-01-01T00:00:00.000Z']],
  ['texts that look like escapes', ['\\u0000', '\\ud800', '\\"', '\\\\u0000', '%s $1 {prefix}']],
  ['all kinds of characters', '\u0001\b\f\n\r\t"\'\\/\u2028\u2029\uFEFF\uFFFF🐘\u{10FFFF}'],
  ['a byte order mark at the start', '\uFEFFtext'],
  ['falsy members', { a: 0, b: false, c: '', d: null, e: {}, f: [] }],
  ['nested emptiness', [[], [[]], {}, [{}], { a: {} }, [null]]],
  ['names with dots and odd names', { 'user.email': 1, '': 2, '.': 3, 'a b': 4, '🐘': 5, 'version': 6, '$1': 7 }],
  ['names every object has', asJson(JSON.parse('{"__proto__":{"a":1},"constructor":1,"toString":2,"hasOwnProperty":3}'))],
  ['Dates, as ISO texts', { at: new Date(0), list: [new Date(1e12)] }],
  ['members that are undefined, functions or symbols, by leaving them out', { a: undefined, b: () => 1, c: Symbol('c'), d: 1 }],
  ['array items that are undefined or functions, as null', [undefined, () => 1, 1]],
  ['arrays with holes', holes],
  ['objects with toJSON', { price: new Money(5) }],
  ['boxed primitives', [Object(1), Object('a'), Object(false)]],
  ['objects without a prototype', Object.assign(Object.create(null) as object, { a: 1 })],
  ['a hundred levels', Array.from({ length: 100 }).reduce<unknown>(inner => ({ a: [inner] }), 1)],
  ['the same object twice', (twice => [twice, twice])({ a: 1 })],
  ['a text of a million characters', 'ž'.repeat(1_000_000)],
]

const cycle: Record<string, unknown> = {}
cycle.self = { again: [cycle] }

const refusedValues: [what: string, value: unknown, path: string][] = [
  ['NaN', Number.NaN, ''],
  ['Infinity', [1, Number.POSITIVE_INFINITY], '.1'],
  ['minus Infinity', { a: { b: [{ c: Number.NEGATIVE_INFINITY }] } }, '.a.b.0.c'],
  ['NaN beside a null that is meant', { items: [{ price: null }, { price: Number.NaN }] }, '.items.1.price'],
  ['NaN that toJSON gives', { money: new Money(Number.NaN) }, '.money.amount'],
  ['a BigInt', { items: [{ price: 10n }] }, '.items.0.price'],
  ['a cycle', cycle, '.self.again.0'],
  ['a Map', { items: new Map([[1, 2]]) }, '.items'],
  ['a Set', [new Set([1])], '.0'],
  ['an Error', { error: Object.assign(new Error('lost'), { code: 'E' }) }, '.error'],
  ['bytes', { bytes: new Uint8Array([1]) }, '.bytes'],
  ['an invalid Date', { at: [new Date(Number.NaN)] }, '.at.0'],
  ['\\u0000', { text: 'a\0b' }, '.text'],
  ['\\u0000 in a name', { items: [{ 'a\0b': 1 }] }, '.items.0'],
  ['half a surrogate pair', ['🐘', 'a\uD83D'], '.1'],
  ['the other half of a surrogate pair', { text: '\uDC18' }, '.text'],
  ['half a surrogate pair in a name', { outer: { '\uD83D': 1 } }, '.outer'],
]

/** Everywhere a value can be put, with its path in errors, and how it is read back. */
const places: { place: string, path: string, keep(context: Context, value: unknown): Promise<unknown> }[] = [
  ...streamKinds.map(({ kind, subjectOf }) => ({
    place: `event.data (${kind})`,
    path: 'event.data',
    async keep({ store, P }: Context, data: unknown) {
      const subject = subjectOf(P)
      const event = await store.stream.append(subject, { type: 'valued', data })
      expect(await store.stream.read(subject)).toStrictEqual([event])
      return event.data
    },
  })),
  {
    place: 'another field of an event',
    path: 'event.position',
    async keep({ store }, position) {
      const subject = `orders:${unique()}`
      const event = await store.stream.append(subject, { type: 'valued', position })
      expect(await store.stream.read(subject)).toStrictEqual([event])
      return event.position
    },
  },
  ...indexKinds.flatMap(({ kind, keyOf }) => [
    {
      place: `metadata of add (${kind})`,
      path: 'metadata.member',
      async keep({ store, P }: Context, member: unknown) {
        const [key, id] = [keyOf(P), unique()]
        await store.index.add(key, id, 1, { member })
        return (await metadataOf(store, key, id))!.member
      },
    },
    {
      place: `metadata of add, in a column of objects or beside it (${kind})`,
      path: 'metadata.config.member',
      async keep({ store, P }: Context, member: unknown) {
        const [key, id] = [keyOf(P), unique()]
        await store.index.add(key, id, 1, { config: { member } })
        return ((await metadataOf(store, key, id))!.config as { member: unknown }).member
      },
    },
    {
      place: `a list in a patch of update (${kind})`,
      path: 'patch.list.0',
      async keep({ store, P }: Context, item: unknown) {
        const [key, id] = [keyOf(P), unique()]
        await store.index.add(key, id, 1, {})
        await store.index.update(key, id, { list: [item] })
        return ((await metadataOf(store, key, id))!.list as unknown[])[0]
      },
    },
  ]),
  {
    place: 'a key',
    path: 'value',
    async keep({ store }, value) {
      const key = unique()
      await store.kv.set(key, value)
      return await store.kv.get(key)
    },
  },
]

export function valuesSuite(use: Use): void {
  describe.each(places)('values: $place', ({ path, keep }) => {
    it.each(keptValues)('keeps %s', async (_, value) => {
      expect(await keep(use(), value)).toStrictEqual(asJson(value))
    })

    it.each(refusedValues)('refuses %s and names the path', async (_, value, inner) => {
      await expectRefused(() => keep(use(), value), path + inner)
    })

    it('does not change what it is given', async () => {
      const value = Object.freeze({ 'a.b': Object.freeze([1, null]), 'c': undefined })
      await keep(use(), value)
      expect(value).toStrictEqual({ 'a.b': [1, null], 'c': undefined })
    })
  })

  describe('values: what can\'t be a value', () => {
    it.each([['a function', () => 1], ['a symbol', Symbol('s')]])('a key refuses %s', async (_, value) => {
      const { kv } = use().store
      const key = unique()
      await expectRefused(() => kv.set(key, value), 'value')
      expect(await kv.get(key)).toBeNull()
    })

    it('of many calls at once only those fail that hold something wrong', async () => {
      const { stream, index, kv } = use().store
      const name = unique()
      const results = await Promise.allSettled(Array.from({ length: 12 }, (_, at) => {
        const value = at % 3 ? at : Number.NaN
        return [kv.set(`${name}${at}`, value), index.add(name, `${at}`, at, { value }), stream.append(`orders:${name}`, { type: 'a', data: value })]
      }).flat())
      expect(results.map(({ status }) => status === 'fulfilled')).toStrictEqual(Array.from({ length: 36 }, (_, at) => Math.floor(at / 3) % 3 !== 0))
      expect((await index.read(name)).map(({ score }) => score)).toStrictEqual([11, 10, 8, 7, 5, 4, 2, 1])
      expect((await stream.read(`orders:${name}`)).map(event => event.data as number).sort((a, b) => a - b)).toStrictEqual([1, 2, 4, 5, 7, 8, 10, 11])
      expect(await kv.clear(`${name}*`)).toBe(8)
    })

    it('a toJSON that throws is told with its path and its cause', async () => {
      const broken = {
        toJSON() {
          throw new RangeError('out of money')
        },
      }
      const call = () => use().store.kv.set(unique(), { items: [broken] })
      await expectRefused(call, 'value.items.0')
      expect((await failureOf(call)).message).toContain('out of money')
    })
  })

  describe('values: nothing is invented', () => {
    it.each(streamKinds)('an event of $kind has only the fields it was given', async ({ subjectOf }) => {
      const { store, P } = use()
      const subject = subjectOf(P)
      const { id, ts } = await store.stream.append(subject, { type: 'bare' })
      expect(await store.stream.read(subject)).toStrictEqual([{ id, ts, type: 'bare' }])
    })

    it.each(indexKinds)('an entry of $kind has only the metadata it was given', async ({ keyOf }) => {
      const { store: { index }, P } = use()
      const [key, id] = [keyOf(P), unique()]
      await index.add(key, id, 1, {})
      expect(await index.get(key, id)).toStrictEqual({ id, score: 1, metadata: { version: 0 } })
      await index.add(key, id, 1, { status: 'only' })
      expect(await index.get(key, id)).toStrictEqual({ id, score: 1, metadata: { status: 'only', version: 0 } })
      await index.add(key, id, 1)
      expect(await index.get(key, id)).toStrictEqual({ id, score: 1 })
    })

    it('undefined for a key is stored as null', async () => {
      const { kv } = use().store
      const key = unique()
      await kv.set(key, 1)
      await kv.set(key, undefined)
      expect(await kv.get(key)).toBeNull()
      expect(await kv.clear(key)).toBe(1)
    })
  })
}
