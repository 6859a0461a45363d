import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StoreError } from '../../src/runtime/core/errors'
import type { JsonObject } from '../../src/runtime/core/json'
import { encodeJson, member, overlay, put, textProblem, toJson } from '../../src/runtime/core/json'

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
      gone: undefined, call: () => {}, list: [undefined, () => {}], map: new Map([[1, 2]]),
    }
    const kept = { date: '1970-01-01T00:00:00.000Z', boxed: ['a', 1, false], custom: 'from custom', list: [null, null], map: {} }
    expect(toJson(value, 'value')).toEqual(kept)
    expect(JSON.parse(encodeJson(value, 'value'))).toEqual(kept)
  })

  it('has `__proto__` for a name like any other', () => {
    const value = JSON.parse('{"__proto__":{"polluted":true},"a":{"__proto__":1}}') as unknown
    expect(JSON.stringify(toJson(value, 'value'))).toBe('{"__proto__":{"polluted":true},"a":{"__proto__":1}}')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
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
