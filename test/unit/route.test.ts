import { describe, expect, it } from 'vitest'
import { indexSpecs, streamSpecs } from '../../src/runtime/core/tables/builtin'
import { createRouter, keyColumns, subjectPrefixOf } from '../../src/runtime/core/tables/route'
import type { Route } from '../../src/runtime/core/tables/route'
import type { TableSpec } from '../../src/runtime/core/tables/types'
import { tableOf } from '../../src/runtime/core/tables/tableOf'

const seen = ({ spec, keys }: Route<TableSpec>) => [spec.table, ...keys]
const stream = (subject: string, prefix = 'nvent') => seen(createRouter(streamSpecs, prefix)(subject))
const index = (key: string, prefix = 'nvent') => seen(createRouter(indexSpecs, prefix)(key))

describe('the router of streams', () => {
  it.each([
    ['nvent:flow:run:abc', 'flow_events', 'abc'],
    ['nvent:flow:run:a:b:c', 'flow_events', 'a:b:c'],
    ['nvent:flow:run: ', 'flow_events', ' '],
    ['nvent:flow:run:a\nb', 'flow_events', 'a\nb'],
    ['nvent:flow:run:a\u2028b', 'flow_events', 'a\u2028b'],
    ['nvent:flow:run::', 'flow_events', ':'],
    ['nvent:trigger:event:mine', 'trigger_events', 'mine'],
    ['nvent:trigger:event:nvent:flow:run:x', 'trigger_events', 'nvent:flow:run:x'],
  ])('sends %j to %s', (subject, table, key) => {
    expect(stream(subject)).toEqual([table, key])
  })

  it.each([
    'nvent', 'nvent:', 'nvent:flow', 'nvent:flow:run', 'nvent:flow:run:', 'nvent:flow:runs:x', 'nvent:flow:runner:x', 'nvent:trigger:event',
    'nvent:trigger:event:', 'nvent:trigger:events:x', 'Nvent:flow:run:x', 'xnvent:flow:run:x', 'x:nvent:flow:run:y', ' nvent:flow:run:x',
    'nvent:flow:run-x', 'nventflow:run:x', 'other:flow:run:x', 'nvent\n:flow:run:x', 'x\nnvent:flow:run:x', '__proto__', '{P}:flow:run:x',
  ])('takes %j for a generic subject', (subject) => {
    const [table, , whole] = stream(subject)
    expect([table, whole]).toEqual(['events', subject])
  })

  it('gives the generic table the subject prefix and the subject, in the order of its key columns', () => {
    expect(stream('orders:42')).toEqual(['events', 'orders', 'orders:42'])
    expect(stream('orders:42:lines')).toEqual(['events', '', 'orders:42:lines'])
    expect(streamSpecs.map(keyColumns)).toEqual([['run_id'], ['trigger_name'], ['subject_prefix', 'subject']])
  })
})

describe('the router of indexes', () => {
  it.each([
    ['nvent:flow:runs:my-flow', 'flow_runs', ['my-flow']],
    ['nvent:flow:runs:a:flow:run:b', 'flow_runs', ['a:flow:run:b']],
    ['nvent:flow:runs:nvent:flows', 'flow_runs', ['nvent:flows']],
    ['nvent:flows', 'flows', []],
    ['nvent:triggers', 'triggers', []],
    ['nvent:scheduler:jobs', 'scheduler_jobs', []],
  ])('sends %j to %s', (key, table, keys) => {
    expect(index(key)).toEqual([table, ...keys])
  })

  it.each([
    'nvent:flow:runs', 'nvent:flow:runs:', 'nvent:flows:x', 'nvent:flowsx', 'nvent:flow', 'nvent:triggers:', 'nvent:scheduler:jobs:1', 'flows',
    'NVENT:flows', 'nvent:flows\n', 'orders', 'nvent:flow:run:x',
  ])('takes %j for a generic key', (key) => {
    expect(index(key)).toEqual(['index', key])
  })

  it.each(['{a}:{b}', '{P}:{a}:x', 'x:{P}:y', '{a}{b}', '{', '}}}'])('knows no pattern like %j', (subject) => {
    const spec = { ...indexSpecs[0]!, subject }
    expect(() => createRouter([spec], 'nvent')).toThrow(new TypeError(`table spec flow_runs: "${subject}" may have {P} at its start and one column at its end`))
  })

  it('names the key columns of every table', () => {
    expect(indexSpecs.map(keyColumns)).toEqual([['flow_name'], [], [], [], ['key']])
  })
})

describe('a subject prefix', () => {
  it.each([
    'my.app', 'a*b', 'a+b?', '(x)', '[a-z]', 'a|b', '^a$', 'a\\b', 'my:app', 'nvent:flow', 'a{2}', '{P}', '{run_id}', 'é😀', '"quoted"', 'a b', '$&', '$1', '\n',
  ])('%j is taken literally', (prefix) => {
    expect(stream(`${prefix}:flow:run:r:1`, prefix)).toEqual(['flow_events', 'r:1'])
    expect(stream(`${prefix}:trigger:event:t`, prefix)).toEqual(['trigger_events', 't'])
    expect(index(`${prefix}:flow:runs:f`, prefix)).toEqual(['flow_runs', 'f'])
    expect(index(`${prefix}:flows`, prefix)).toEqual(['flows'])
    expect(stream('nvent:flow:run:x', prefix)[0]).toBe('events')
  })

  it('matches nothing else than itself', () => {
    expect(stream('myxapp:flow:run:1', 'my.app')[0]).toBe('events')
    expect(stream('aab:flow:run:1', 'a*b')[0]).toBe('events')
    expect(index('a:flows', 'a|b')[0]).toBe('index')
    expect(index('b:flows', 'a|b')[0]).toBe('index')
    expect(index('app:flows', 'my:app')[0]).toBe('index')
    expect(index('my:flows', 'my:app')[0]).toBe('index')
  })
})

describe('subjectPrefixOf', () => {
  it.each([
    ['nq:flow:abc', 'nq:flow'],
    ['nq:flow:abc:d:e', 'nq:flow'],
    ['orders:42', 'orders'],
    ['orders:', 'orders'],
    ['orders:42:lines', ''],
    ['orders:eu:42', 'orders:eu'],
    ['Orders_2-x:42', 'Orders_2-x'],
    [`${'a'.repeat(32)}:1`, 'a'.repeat(32)],
    [`${'a'.repeat(33)}:1`, ''],
    ['orders', ''],
    ['', ''],
    [':42', ''],
    ['a::b', ''],
    ['42:a', ''],
    ['-a:1', ''],
    ['_a:1', ''],
    ['a b:1', ''],
    ['a\':1', ''],
    ['a";drop table x:1', ''],
    ['a.b:1', ''],
    ['é:1', ''],
    ['a\n:1', ''],
    ['nq:fl%ow:1', ''],
    ['😀:1', ''],
  ])('%j is %j', (subject, prefix) => {
    expect(subjectPrefixOf(subject)).toBe(prefix)
  })
})

describe('tableOf', () => {
  it('says which table a call goes to', () => {
    expect(tableOf('stream', 'nvent:flow:run:1')).toBe('nvent_flow_events')
    expect(tableOf('stream', 'orders:1')).toBe('nvent_events')
    expect(tableOf('index', 'nvent:flows')).toBe('nvent_flows')
    expect(tableOf('index', 'orders')).toBe('nvent_index')
    expect(tableOf('kv', 'nvent:flows')).toBe('nvent_kv')
  })

  it('keeps the prefix of the tables and that of the subjects apart', () => {
    const options = { prefix: 'shop', subjectPrefix: 'nq' }
    expect(tableOf('index', 'nq:flows', options)).toBe('shop_flows')
    expect(tableOf('index', 'shop:flows', options)).toBe('shop_index')
    expect(tableOf('index', 'shop:flows', { prefix: 'shop' })).toBe('shop_flows')
  })
})
