import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Row } from '../../src/runtime/core/db/types'
import type { JsonObject } from '../../src/runtime/core/shared/json'
import { indexSpecs } from '../../src/runtime/core/tables/builtin'
import { fieldsOf } from '../../src/runtime/core/tables/fields'
import { canComposePatches, composePatches } from '../../src/runtime/core/entries/foldPatches'
import { decodeMetadata, patchShape, readMetadata, splitMetadata, splitPatch } from '../../src/runtime/core/tables/metadata'
import type { IndexSpec } from '../../src/runtime/core/tables/types'

const specOf = (table: string) => indexSpecs.find(spec => spec.table === table)!
const [runs, flows, triggers] = [specOf('flow_runs'), specOf('flows'), specOf('triggers')]

const parse = (text: string) => JSON.parse(text) as JsonObject
const split = (spec: IndexSpec, given: unknown) => splitMetadata(spec, readMetadata('metadata', given))

/** What a driver hands out for an entry: bigint and JSON as text. */
function rowOf(spec: IndexSpec, columns: unknown[], rest: string | null): Row {
  const values = fieldsOf(spec).map(({ column }, at) => [column, typeof columns[at] === 'number' ? String(columns[at]) : columns[at] ?? null])
  return { ...Object.fromEntries(values) as Row, [spec.rest]: rest, version: '3' }
}

/** The columns that are filled, by name. */
function filled(spec: IndexSpec, columns: unknown[]): Row {
  return Object.fromEntries(fieldsOf(spec).map(({ column }, at) => [column, columns[at]]).filter(([, value]) => value !== null)) as Row
}

function frozen<T>(tree: T): T {
  if (typeof tree === 'object' && tree !== null) Object.values(tree).forEach(frozen)
  return Object.freeze(tree)
}

const names = fc.constantFrom('status', 'startedAt', 'stepCount', 'emittedEvents', 'stats', 'total', 'totalFires', 'displayName', 'webhook', 'enabled', '__proto__', 'toString', '')
const values = fc.letrec(tie => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constantFrom('a', '\uFEFFa', '2024-05-01T10:00:00.000Z', 0, 1.5, 2 ** 53, true, null), fc.array(tie('value'), { maxLength: 2 }), tie('object')),
  object: fc.dictionary(names, tie('value'), { maxKeys: 5, noNullPrototype: true }),
})).object as fc.Arbitrary<JsonObject>

describe('metadata in columns and a rest', () => {
  it('comes back as it was, whatever took it', () => {
    fc.assert(fc.property(fc.constantFrom(...indexSpecs), values, (spec, given) => {
      const { columns, rest } = split(spec, given)
      const { version, ...decoded } = decodeMetadata(spec, rowOf(spec, columns, rest))!
      expect(version).toBe(3)
      expect(decoded).toStrictEqual({ ...given })
    }), { numRuns: 500 })
  })

  it('leaves the objects around what columns took, and nothing else', () => {
    const { columns, rest } = split(flows, { displayName: 'a', stats: { total: 1, success: -0, other: 2 }, more: [1] })
    expect(filled(flows, columns)).toEqual({ display_name: 'a', stats_total: 1, stats_success: 0 })
    expect(rest).toBe('{"stats":{"other":2},"more":[1]}')
    expect(split(flows, { stats: { total: 1 } }).rest).toBe('{"stats":{}}')
    expect(split(runs, { status: 'a', awaitingSteps: {} }).rest).toBe('{}')
  })

  it('leaves what a column does not take, and the original of what it takes in another form', () => {
    const { columns, rest } = split(flows, { displayName: 5, registeredAt: new Date(1500), flowVersion: 0.5, stats: 5 })
    expect(filled(flows, columns)).toEqual({ registered_at: 1500 })
    expect(parse(rest)).toEqual({ displayName: 5, registeredAt: '1970-01-01T00:00:01.500Z', flowVersion: 0.5, stats: 5 })
  })

  it('does not touch the tree it splits', () => {
    const tree = readMetadata('metadata', { status: 'a', emittedEvents: { b: 1 } })
    splitMetadata(runs, tree)
    expect(tree).toEqual({ status: 'a', emittedEvents: { b: 1 } })
  })

  it('is a copy of what was given', () => {
    const given = { list: [{ a: 1 }], object: { a: { b: 1 } }, gone: undefined, call: () => {}, when: { toJSON: () => 'soon' }, holes: Array.from({ length: 2 }) }
    const tree = readMetadata('metadata', given)
    given.list[0]!.a = 2
    given.object.a.b = 2
    expect(tree).toStrictEqual({ list: [{ a: 1 }], object: { a: { b: 1 } }, when: 'soon', holes: [null, null] })
  })

  it('has `__proto__` for a name like any other, dotted or not', () => {
    const given = parse('{"__proto__":{"a":1},"__proto__.b":2,"x.__proto__":3}')
    const tree = readMetadata('metadata', given)
    expect(JSON.stringify(tree)).toBe('{"__proto__":{"a":1,"b":2},"x":{"__proto__":3}}')
    const { columns, rest } = splitMetadata(triggers, tree)
    expect(JSON.stringify(decodeMetadata(triggers, rowOf(triggers, columns, rest)))).toBe('{"__proto__":{"a":1,"b":2},"x":{"__proto__":3},"version":3}')
    expect(({} as Row).a).toBeUndefined()
  })

  it('has no version of its own, however it is written', () => {
    expect(readMetadata('metadata', { 'version': 1, 'a': 1, 'version.b': 2 })).toStrictEqual({ a: 1 })
    expect(() => readMetadata('metadata', { version: Number.NaN })).toThrow('metadata.version is NaN')
  })

  it.each<[string, JsonObject | object, string]>([
    ['a value', { a: Number.NaN }, 'metadata.a'],
    ['a value far down', { a: { b: [{ c: 1n }] } }, 'metadata.a.b.0.c'],
    ['a value below a dotted name', { 'a.b': { c: '\uD83D' } }, 'metadata.a.b.c'],
    ['a name', { 'a\0': 1 }, 'the name of metadata.*'],
    ['a name further down', { a: { b: { 'c\0': 1 } } }, 'the name of metadata.a.b.*'],
    ['what toJSON makes nothing of', { a: { toJSON: () => undefined } }, 'metadata.a'],
  ])('names %s that can\'t be kept', (_what, given, argument) => {
    expect(() => readMetadata('metadata', given)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE', details: expect.objectContaining({ argument }) as unknown }) as Error)
  })
})

describe('metadata of a row', () => {
  const columns = fieldsOf(flows).map(({ type }) => type === 'text' ? 'column' : 1)

  it('is what the rest holds before what columns hold', () => {
    const rest = '{"displayName":null,"stats":{"total":"rest"}}'
    expect(decodeMetadata(flows, rowOf(flows, columns, rest))).toMatchObject({ displayName: null, flowVersion: 1, stats: { total: 'rest', success: 1 }, version: 3 })
  })

  it('leaves out columns below what is no object', () => {
    expect(decodeMetadata(flows, rowOf(flows, columns, '{"stats":5}'))).toMatchObject({ displayName: 'column', stats: 5 })
  })

  it('may have no rest, and no columns', () => {
    const none = fieldsOf(flows).map(() => null)
    expect(decodeMetadata(flows, rowOf(flows, none, null))).toBeUndefined()
    expect(decodeMetadata(flows, rowOf(flows, none, '{}'))).toStrictEqual({ version: 3 })
    expect(decodeMetadata(flows, rowOf(flows, none.with(4, 7 as never), null))).toStrictEqual({ stats: { total: 7 }, version: 3 })
  })

  it('is another object each time', () => {
    const row = rowOf(runs, fieldsOf(runs).map(({ type }) => type === 'object' ? '{}' : null), '{}')
    const [first, second] = [decodeMetadata(runs, row)!, decodeMetadata(runs, row)!]
    ;(first.emittedEvents as JsonObject).a = 1
    expect([second.emittedEvents, first.awaitingSteps]).toEqual([{}, {}])
  })
})

describe('a patch', () => {
  it('changes columns and deletes their fields from the rest', () => {
    const { changes, rest } = splitPatch(flows, readMetadata('patch', { 'stats.total': 1, 'stats.x': 2, 'displayName': null, 'lastRunAt': 'soon' }))
    expect(changes.map(({ action }) => action)).toEqual(['assign', 'keep', 'keep', 'assign', 'assign', 'keep', 'keep', 'keep', 'keep', 'keep'])
    expect(rest).toEqual({ stats: { total: null, x: 2 }, displayName: null, lastRunAt: 'soon' })
  })

  it('is left as it was given, whatever its parts become', () => {
    fc.assert(fc.property(fc.constantFrom(...indexSpecs), values, (spec, given) => {
      const tree = readMetadata('patch', given)
      const before = structuredClone(tree)
      const first = splitPatch(spec, frozen(tree))
      expect(tree).toStrictEqual(before)
      expect(splitPatch(spec, tree)).toStrictEqual(first)
    }), { numRuns: 500 })
  })

  it('clears the columns below what is no object', () => {
    const { changes, rest } = splitPatch(flows, frozen({ stats: 5 }))
    expect(changes.map(({ action }) => action)).toEqual(['keep', 'keep', 'keep', 'keep', 'assign', 'assign', 'assign', 'assign', 'assign', 'assign'])
    expect(rest).toEqual({ stats: 5 })
    expect(splitPatch(flows, frozen({ stats: null })).rest).toEqual({ stats: null })
  })

  it.each<[string, JsonObject, string, string[]]>([
    ['nothing', {}, 'gone', []],
    ['columns', { displayName: 'a', flowVersion: 1 }, 'gone', ['displayName', 'flowVersion']],
    ['members that go', { b: null, a: null }, 'gone', ['a', 'b']],
    ['members that come and go', { b: null, a: 1 }, 'flat', ['b']],
    ['members that only come', { a: [{}] }, 'flat', []],
    ['an object', { a: { b: 1 }, c: null }, 'deep', ['c']],
    ['columns inside of an object', { stats: { total: 1 } }, 'deep', []],
  ])('has a shape that says how the rest is changed: %s', (_what, given, form, gone) => {
    expect(splitPatch(flows, frozen(given)).shape).toMatchObject({ rest: form, gone })
  })

  it.each<[JsonObject, JsonObject]>([
    [{}, {}],
    [{ displayName: 'a' }, { displayName: 'b' }],
    [{ a: null, b: 1 }, { a: null, c: [1] }],
    [{ a: { b: 1 } }, { a: { b: null }, c: 2 }],
    [{ a: { b: 1 }, c: { d: 1 } }, { a: 1, c: { d: null } }],
    [{ a: null, stats: { total: 1 } }, { b: 1, stats: { total: 2 } }],
  ])('keeps its shape when one of its group is put behind it: %j, %j', (one, other) => {
    const [first, second] = [splitPatch(flows, frozen(one)), splitPatch(flows, frozen(other))]
    expect(second.shape.group).toBe(first.shape.group)
    expect(canComposePatches(first, second)).toBe(true)
    const { changes, rest, shape } = composePatches(first, second)
    const { key, group, rest: form } = patchShape(changes, rest)
    expect(shape).toMatchObject({ key, group, rest: form })
  })
})
