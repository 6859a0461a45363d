import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StoreError } from '../../src/runtime/core/shared/errors'
import type { JsonObject } from '../../src/runtime/core/shared/json'
import { encodeJson, member, overlay, put, textProblem, toJson } from '../../src/runtime/core/shared/json'

/** What a call refuses a value with: its code, and the argument it names. */
function refusal(call: () => unknown): { code: string, argument: unknown, message: string } {
  try {
    call()
  }
  catch (error) {
    if (!(error instanceof StoreError)) throw error
    return { code: error.code, argument: error.details.argument, message: error.message }
  }
  throw new Error('nothing was refused')
}

const cycle: Record<string, unknown> = { name: 'a' }
cycle.self = { list: [cycle] }
const deep = (levels: number) => Array.from({ length: levels }).reduce<unknown>(inner => ({ a: inner }), 1)

describe.each([['encodeJson', encodeJson], ['toJson', toJson]])('%s', (_name, encode) => {
  it.each<[string, unknown, string]>([
    ['NaN', { a: [1, { b: Number.NaN }] }, 'value.a.1.b'],
    ['Infinity', [Infinity], 'value.0'],
    ['minus Infinity', -Infinity, 'value'],
    ['a boxed NaN', { n: Object(Number.NaN) as unknown }, 'value.n'],
    ['a BigInt', { a: { b: 1n } }, 'value.a.b'],
    ['a cycle', cycle, 'value.self.list.0'],
    ['\\u0000', { a: 'x\0y' }, 'value.a'],
    ['half a surrogate pair', { a: ['😀', '\uD83D'] }, 'value.a.1'],
    ['the other half', { a: '\uDC00x' }, 'value.a'],
    ['\\u0000 in a name', { a: { 'b\0': 1 } }, 'the name of value.a.*'],
    ['half a surrogate pair in a name', { '\uD83D': 1 }, 'the name of value.*'],
    ['a function', () => {}, 'value'],
    ['a symbol', Symbol('s'), 'value'],
    ['undefined', undefined, 'value'],
    ['a NaN that toJSON gives', { a: { toJSON: () => Number.NaN } }, 'value.a'],
    ['a toJSON that throws', { a: { b: { toJSON: () => { throw new Error('no luck') } } } }, 'value.a.b'],
    ['a NaN far down a long text', { text: 'x'.repeat(2000), list: [...Array.from({ length: 300 }).keys(), Number.NaN] }, 'value.list.300'],
  ])('refuses %s and names where it is', (_what, value, argument) => {
    expect(refusal(() => encode(value, 'value'))).toMatchObject({ code: 'INVALID_VALUE', argument })
  })

  it('takes 500 levels and refuses one more, however it is written', () => {
    expect(() => encode(deep(500), 'value')).not.toThrow()
    expect(refusal(() => encode(deep(501), 'value'))).toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining('500') as string })
    expect(refusal(() => encode(deep(100_000), 'value'))).toMatchObject({ code: 'INVALID_VALUE' })
  })

  it('takes one object at several places', () => {
    const shared = { a: 1 }
    expect(() => encode({ x: shared, y: [shared, shared] }, 'value')).not.toThrow()
  })

  it('does not touch what it is given', () => {
    const value = Object.freeze({ a: Object.freeze([1, undefined, Object.freeze({ b: undefined })]) })
    encode(value, 'value')
    expect(value).toEqual({ a: [1, undefined, { b: undefined }] })
  })
})

const awkward = fc.letrec(tie => ({
  value: fc.oneof({ maxDepth: 4 },
    fc.string({ unit: 'grapheme' }), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.boolean(), fc.constant(null),
    fc.date({ noInvalidDate: true }), fc.constant(undefined), fc.constant(-0), fc.constant('null'), fc.constant('\\u0000'),
    fc.array(tie('value')),
    fc.dictionary(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', 'toString', '')), tie('value')),
  ),
})).value.map(value => ({ value }))

describe('what can be kept', () => {
  it('is exactly what JSON keeps', () => {
    fc.assert(fc.property(awkward, (value) => {
      // A stray NUL is refused, and tested above.
      fc.pre(!JSON.stringify(value).replaceAll('\\\\', '').includes('\\u0000'))
      expect(encodeJson(value, 'value')).toBe(JSON.stringify(value))
      expect(JSON.stringify(toJson(value, 'value'))).toBe(JSON.stringify(value))
    }), { numRuns: 500 })
  })

  it('turns Dates and boxed primitives into what they stand for, and drops what JSON drops', () => {
    const value = {
      date: new Date(0), boxed: [Object('a'), Object(1), Object(false)] as unknown[], custom: { toJSON: (name: string) => `from ${name}` },
      gone: undefined, call: () => {}, list: [undefined, () => {}],
    }
    const kept = { date: '1970-01-01T00:00:00.000Z', boxed: ['a', 1, false], custom: 'from custom', list: [null, null] }
    expect(toJson(value, 'value')).toEqual(kept)
    expect(JSON.parse(encodeJson(value, 'value'))).toEqual(kept)
  })

  it('has `__proto__` for a name like any other', () => {
    const value = JSON.parse('{"__proto__":{"polluted":true},"a":{"__proto__":1}}') as unknown
    expect(JSON.stringify(toJson(value, 'value'))).toBe('{"__proto__":{"polluted":true},"a":{"__proto__":1}}')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
const boom = (): never => {
  throw new TypeError('boom')
}
class Hidden {
  #cents = 5
  get cents() {
    return this.#cents
  }
}

/** What JSON.stringify would write as {} or as null without a word, and what it fails on; by the path in the value. */
const unkept: [what: string, make: () => unknown][] = [
  ['a Map', () => new Map([[1, 2]])],
  ['an empty Map', () => new Map()],
  ['a Map with a member', () => Object.assign(new Map([[1, 2]]), { a: 1 })],
  ['a Set', () => new Set([1])],
  ['a WeakMap', () => new WeakMap()],
  ['a WeakSet', () => new WeakSet()],
  ['an Error', () => new Error('lost')],
  ['an Error with a code', () => Object.assign(new Error('lost'), { code: 'E' })],
  ['a StoreError', () => new StoreError('NOT_FOUND', 'lost')],
  ['a Promise', () => Promise.resolve(1)],
  ['a RegExp', () => /a/],
  ['a typed array', () => new Uint8Array([1, 2])],
  ['an empty typed array', () => new Float64Array()],
  ['an ArrayBuffer', () => new ArrayBuffer(2)],
  ['a DataView', () => new DataView(new ArrayBuffer(2))],
  ['URL parameters', () => new URLSearchParams('a=1')],
  ['an instance that hides all it has', () => new Hidden()],
  ['a boxed BigInt', () => Object(1n)],
  ['a boxed symbol', () => Object(Symbol('s'))],
  ['an invalid Date', () => new Date(Number.NaN)],
  ['a BigInt', () => 1n],
  ['what toJSON makes of it, when that is a Map', () => ({ toJSON: () => new Map() })],
  ['a getter that throws', () => Object.defineProperty({}, 'a', { enumerable: true, get: boom })],
  ['a toJSON that throws', () => ({ toJSON: boom })],
  ['a toJSON that throws what has no text', () => ({ toJSON() {
    throw Object.create(null)
  } })],
  ['a toJSON that can\'t be read', () => Object.defineProperty({}, 'toJSON', { get: boom })],
  ['a toJSON without an end', () => {
    const make = (): unknown => ({ toJSON: () => ({ next: make() }) })
    return make()
  }],
  ['a proxy that was revoked', revoked],
  ['a proxy that fails', () => new Proxy({ a: 1 }, { ownKeys: boom })],
  ['an array that fails', () => new Proxy([1], { get: boom })],
  ['an array of nothing but holes', () => Array(2 ** 32 - 1)],
  ['a list that holds itself', () => {
    const list: unknown[] = []
    list.push(list)
    return list
  }],
]

describe.each([['encodeJson', encodeJson], ['toJson', toJson]])('%s and what JSON would lose', (_name, encode) => {
  it.each(unkept)('refuses %s, wherever it is', (_what, make) => {
    for (const [value, path] of [[make(), 'value'], [{ a: [make()] }, 'value.a.0'], [[1, { b: make() }], 'value.1.b']] as const) {
      const { code, argument } = refusal(() => encode(value, 'value'))
      expect(code).toBe('INVALID_VALUE')
      // Of what is inside of it, the path may go on.
      expect(`${String(argument)}.`.startsWith(`${path}.`), String(argument)).toBe(true)
    }
  })

  it('keeps the members of instances, and what Buffers and toJSON say of themselves', () => {
    class Money {
      readonly currency = 'EUR'
      constructor(readonly cents: number) {}
    }
    const value = { price: new Money(5), bytes: Buffer.from([1, 2]), bare: Object.assign(Object.create(null) as object, { a: {} }), nothing: {}, hole: Array(2) }
    const kept = { price: { currency: 'EUR', cents: 5 }, bytes: { type: 'Buffer', data: [1, 2] }, bare: { a: {} }, nothing: {}, hole: [null, null] }
    const encoded: unknown = encode(value, 'value')
    expect(typeof encoded === 'string' ? JSON.parse(encoded) : encoded).toEqual(kept)
  })

  it('has one answer for a BigInt, whether its prototype has a toJSON or not', () => {
    expect(refusal(() => encode({ a: 1n }, 'value'))).toMatchObject({ argument: 'value.a' })
    Object.defineProperty(BigInt.prototype, 'toJSON', { configurable: true, value(this: bigint) {
      return String(this)
    } })
    try {
      for (const value of [1n, [1n], { a: 1n, b: null }]) {
        const encoded: unknown = encode(value, 'value')
        expect(encode === encodeJson ? encoded : JSON.stringify(encoded)).toBe(JSON.stringify(value))
      }
    }
    finally {
      Reflect.deleteProperty(BigInt.prototype, 'toJSON')
    }
  })
})

const anything = fc.anything({
  withBigInt: true, withBoxedValues: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true, withObjectString: true,
  withTypedArray: true, withSparseArray: true,
})
// Made when they are looked at: what can't be read can't be handed on by fast-check either.
const oddities: (() => unknown)[] = [
  ...unkept.map(([, make]) => make), () => Symbol('s'), () => boom, () => '\uD83D', () => 'a\0', () => Number.NaN, () => null, () => undefined,
]
const places: ((value: unknown, odd: unknown) => unknown)[] = [
  value => value, (value, odd) => [value, odd], (value, odd) => ({ a: value, b: { c: [odd] } }), (_, odd) => odd,
]

describe('any value', () => {
  it('is kept as JSON keeps it, or refused by its path; both ways say the same', () => {
    const outcome = (encode: () => unknown) => {
      try {
        return { kept: encode() }
      }
      catch (error) {
        if (error instanceof StoreError && error.code === 'INVALID_VALUE') return { refused: String(error.details.argument) }
        throw error
      }
    }
    fc.assert(fc.property(anything, fc.constantFrom(...oddities), fc.constantFrom(...places), (some, make, place) => {
      const value = place(some, make())
      const text = outcome(() => encodeJson(value, 'value'))
      expect(outcome(() => JSON.stringify(toJson(value, 'value')))).toEqual(text)
      if (text.refused === undefined) expect(text.kept).toBe(JSON.stringify(value))
      else expect(text.refused).toMatch(/value/)
    }), { numRuns: 2_000 })
  })
})

describe('textProblem', () => {
  it.each(['', 'a', '\\u0000', '\\ud83d', '😀', '\u0001\n\u2028', '\uFFFF'])('finds none in %j', (text) => {
    expect(textProblem(text)).toBeUndefined()
  })

  it('finds what PostgreSQL can\'t hold', () => {
    expect(textProblem('a\0')).toMatch(/u0000/)
    expect(textProblem('😀'.slice(0, 1))).toMatch(/surrogate/)
    expect(textProblem('😀'.slice(1))).toMatch(/surrogate/)
  })
})

describe('overlay', () => {
  it('merges objects, replaces everything else and keeps null', () => {
    const target: JsonObject = { a: { x: 1, y: { z: 1 } }, list: [1, 2], gone: 1, scalar: 1 }
    const merged = overlay(target, { a: { y: { w: 2 }, x: null }, list: [3], gone: null, scalar: { deep: true }, fresh: {} })
    expect(merged).toEqual({ a: { x: null, y: { z: 1, w: 2 } }, list: [3], gone: null, scalar: { deep: true }, fresh: {} })
    expect(merged).toBe(target)
  })

  it('does not take what is inherited for a member', () => {
    const source = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as JsonObject
    const merged = overlay({}, source)
    expect(JSON.stringify(merged)).toBe(JSON.stringify(source))
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(member({}, 'toString')).toBeUndefined()
    const target: JsonObject = {}
    put(target, '__proto__', 1)
    expect([member(target, '__proto__'), Object.keys(target)]).toEqual([1, ['__proto__']])
  })
})
