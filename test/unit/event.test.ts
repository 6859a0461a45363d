import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/runtime/core/shared/json'
import { streamSpecs } from '../../src/runtime/core/tables/builtin'
import { decodeEvent, encodeEvent, recordOf, valueFields, versionOf } from '../../src/runtime/core/tables/eventCodec'
import type { EncodedEvent } from '../../src/runtime/core/tables/eventCodec'
import { createRouter } from '../../src/runtime/core/tables/route'

const routeOf = createRouter(streamSpecs, 'nvent')
const STORED = { id: '7', ts: '1750000000000', version: '2' }

/** The row of an event, as a driver hands it out: bigint and JSON as text. */
function decoded(subject: string, { type, columns, rest }: EncodedEvent) {
  const { spec, keys } = routeOf(subject)
  const values = valueFields(spec).map(({ column }, at) => [column, typeof columns[at] === 'number' ? String(columns[at]) : columns[at]])
  return decodeEvent(spec, { run_id: keys.at(-1), trigger_name: keys.at(-1), ...Object.fromEntries(values), ...STORED, type, rest })
}

const [run, trigger, own] = ['nvent:flow:run:r1', 'nvent:trigger:event:t1', 'orders:42']

const events: [string, string, JsonObject][] = [
  ['nothing but a type', run, {}],
  ['all columns', run, { runId: 'r1', flowName: 'a', stepName: 'b', stepId: 'c', attempt: 1, data: { a: [1] }, meta: { b: null } }],
  ['another key', run, { runId: 'other' }],
  ['a null in the place of JSON', run, { data: null, meta: null }],
  ['empty JSON', own, { data: {}, meta: [] }],
  ['JSON that is a text', trigger, { data: 'null', triggerName: 't1' }],
  ['values their columns don\'t take', own, { attempt: 'first', stepName: 5, flowName: null, stepId: '\uFEFFa' }],
  ['names of its own', own, { version: 5, a: { b: [null] }, toString: 1 }],
  ['`__proto__` for a name', own, JSON.parse('{"__proto__":{"a":1},"data":{"__proto__":2}}') as JsonObject],
]

describe('an event', () => {
  it.each(events)('of %s comes back as it was, from a row and from what was sent', (_what, subject, event) => {
    const encoded = encodeEvent(routeOf(subject), { type: 'a', ...event })
    const record = decoded(subject, encoded)
    expect(record).toStrictEqual({ id: '7', ts: 1750000000000, type: 'a', ...event })
    expect(recordOf(routeOf(subject), encoded, STORED)).toStrictEqual(record)
    expect([versionOf(record), Object.keys({ ...record }).length]).toEqual([2, Object.keys(event).length + 3])
  })

  it('is kept without what JSON drops and what is the store\'s own', () => {
    const given = { id: 'mine', ts: 1, type: 'a', gone: undefined, call: () => {}, attempt: -0, when: new Date(0), data: { a: undefined, b: -0 } }
    const record = recordOf(routeOf(own), encodeEvent(routeOf(own), given), STORED)
    expect(record).toStrictEqual({ id: '7', ts: 1750000000000, type: 'a', attempt: 0, when: '1970-01-01T00:00:00.000Z', data: { b: 0 } })
  })

  it('is a copy of what was given', () => {
    const given = { type: 'a', data: { list: [1] }, other: { list: [1] } }
    const encoded = encodeEvent(routeOf(own), given)
    given.data.list.push(2)
    given.other.list.push(2)
    expect(recordOf(routeOf(own), encoded, STORED)).toMatchObject({ data: { list: [1] }, other: { list: [1] } })
  })

  it.each<[string, object, string]>([
    ['in a column', { flowName: 'a\0' }, 'event.flowName'],
    ['in JSON', { data: { a: [Number.NaN] } }, 'event.data.a.0'],
    ['that is JSON', { data: () => {} }, 'event.data'],
    ['in the rest', { other: { a: 1n } }, 'event.other.a'],
    ['as a name', { '\uD83D': 1 }, 'the name of event.*'],
  ])('names what can\'t be kept %s', (_what, event, argument) => {
    expect(() => encodeEvent(routeOf(own), { type: 'a', ...event }))
      .toThrow(expect.objectContaining({ code: 'INVALID_VALUE', details: expect.objectContaining({ argument }) as unknown }) as Error)
  })
})
