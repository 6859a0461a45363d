import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { EventInput, Store } from '../../src/runtime/core/index'
import { quoteIdentifier } from '../../src/runtime/core/shared/identifier'
import { indexSpecs, streamSpecs } from '../../src/runtime/core/tables/builtin'
import type { IndexSpec, StreamSpec } from '../../src/runtime/core/tables/types'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const ODD = { key: 'odd "name"', word: 'select', mixed: 'Mixed Case', rest: 'it\'s "the" rest', dash: '; -- ', object: 'a "b"', time: 'When' }

const stream: StreamSpec = {
  kind: 'stream',
  table: 'odd "events"',
  subject: `odd:stream:{${ODD.key}}`,
  rest: ODD.rest,
  fields: {
    'mine': { column: ODD.key, type: 'key' },
    'select': { column: ODD.word, type: 'text' },
    'Mixed Case': { column: ODD.mixed, type: 'json' },
    'it\'s': { column: ODD.dash, type: 'integer' },
    'meta': { column: 'meta', type: 'json', sparse: true },
  },
}

const index: IndexSpec = {
  kind: 'index',
  table: 'odd "entries"',
  subject: `odd:index:{${ODD.key}}`,
  id: ODD.word,
  rest: ODD.rest,
  fields: {
    'Mixed Case': { column: ODD.mixed, type: 'text' },
    'it\'s.a "b", {c}': { column: ODD.object, type: 'object' },
    'number.of': { column: ODD.dash, type: 'integer' },
    'when': { column: ODD.time, type: 'time' },
  },
}

function renamed(table: string, columns: Record<string, string>): string[] {
  return Object.entries(columns).map(([from, to]) => `alter table ${quoteIdentifier(table)} rename column ${from} to ${quoteIdentifier(to)}`)
}

/** Tables like two of the store's own, with columns of such names. */
const tables = [
  'create table "nvent_odd ""events""" (like nvent_flow_events including all)',
  ...renamed('nvent_odd "events"', { run_id: ODD.key, flow_name: ODD.word, data: ODD.mixed, attempt: ODD.dash, rest: ODD.rest }),
  'create table "nvent_odd ""entries""" (like nvent_flow_runs including all)',
  ...renamed('nvent_odd "entries"', {
    flow_name: ODD.key, run_id: ODD.word, status: ODD.mixed, awaiting_steps: ODD.object, step_count: ODD.dash, started_at: ODD.time, rest: ODD.rest,
  }),
]

describe.each([['batched', true], ['call by call', false]])('tables whose columns need quotes, %s', (_, batching) => {
  let store: Store

  beforeAll(async () => {
    streamSpecs.unshift(stream)
    indexSpecs.unshift(index)
    store = createStore({
      connection: 'pglite://memory',
      batching,
      logger: { info() {}, warn() {}, error() {} },
      retention: [
        { subject: 'odd:stream:old:*', maxCount: 1, action: 'archive' },
        { subject: 'odd:stream:gone', maxAge: 1, action: 'drop' },
        { subject: 'odd:*', maxAge: '1d', action: 'archive' },
      ],
    })
    await store.transaction(async (tx) => {
      for (const statement of tables) await tx.query(statement)
    })
  })

  afterAll(async () => {
    streamSpecs.shift()
    indexSpecs.shift()
    await store.close()
  })

  const event: EventInput = { 'type': 'a "b"', 'mine': 'x', 'select': 'it\'s', 'Mixed Case': { a: [1] }, 'it\'s': 5, 'more "of"': true }
  const typesOf = (events: { type: string }[]) => events.map(({ type }) => type)

  it('take events in every form of an append', async () => {
    const [x, y] = ['odd:stream:x', 'odd:stream:y']
    const [first] = await Promise.all([store.stream.append(x, event), store.stream.append(y, event), store.stream.append(x, { type: 'b' })])
    await Promise.all([x, y].map(subject => store.stream.append(subject, { type: 'c' }, { expectedVersion: 'exists', meta: { correlationId: 'd' } })))
    await Promise.all([x, y].map(subject => store.stream.append(subject, { type: 'd' }, { expectedVersion: 'exists', eventId: 'once' })))
    await Promise.all([x, y].map(subject => store.stream.append(subject, { type: 'd' }, { eventId: 'once' })))
    await store.stream.appendMany(x, [{ type: 'd' }, { type: 'e', select: 1 }], { eventIds: ['once', 'twice'] })
    await store.stream.appendAll([{ subject: x, events: [event], expectedVersion: 5 }, { subject: 'odd:stream:z', events: [event], expectedVersion: 'no-stream' }])
    expect(first).toMatchObject(event)
    const all = await store.stream.read(x)
    expect(typesOf(all)).toEqual(['a "b"', 'b', 'c', 'd', 'e', 'a "b"'])
    expect(all[0]).toStrictEqual(first)
    expect(all[4]).toMatchObject({ select: 1 })
  })

  it('give events back by every way there is', async () => {
    const subject = 'odd:stream:read'
    const events = await store.stream.appendMany(subject, ['a', 'b', 'c', 'd'].map(type => ({ ...event, type })))
    await store.stream.append('odd:stream:other', event)
    const [{ id: first }, { id: second }] = events as [typeof events[0], typeof events[0]]
    expect(typesOf(await store.stream.read(subject, { after: first, before: events[3]!.id, fromVersion: 1, toVersion: 4, from: 0, to: Date.now() + 1e6, types: ['b', 'c'], limit: 5 }))).toEqual(['b', 'c'])
    const pages = await Promise.all([subject, 'odd:stream:other'].map(each => store.stream.read(each, { limit: 1, order: 'desc' })))
    expect(pages.map(typesOf)).toEqual([['d'], ['a "b"']])
    expect(await store.stream.current(subject)).toMatchObject({ version: 4, position: events[3]!.id })
    for (const subjects of [[subject], ['odd:stream:r*'], ['*:read']]) {
      const found: unknown[] = []
      for await (const each of store.stream.readAll({ subjects, after: first, types: ['b', 'd'] })) found.push(each)
      expect(found).toStrictEqual([events[1], events[3]].map(each => ({ subject, event: each })))
    }
    expect(await store.stream.dismiss(second, { reason: 'wrong', by: 'test' })).toBe(true)
    expect(await store.stream.dismissed(subject)).toMatchObject([{ event: { 'id': second, 'Mixed Case': { a: [1] } } }])
    expect(await store.stream.restore(second)).toBe(true)
    expect(await store.stream.read(subject)).toStrictEqual(events)
  })

  it('put events into the archive, take them back, and lose them', async () => {
    const subject = 'odd:stream:life'
    const events = await store.stream.appendMany(subject, [event, { type: 'b', mine: 'life' }, { type: 'c', gone: null }])
    expect(await store.stream.archive(subject)).toBe(true)
    expect(await store.stream.read(subject, { archived: true })).toStrictEqual(events)
    expect(await store.stream.unarchive(subject)).toBe(true)
    expect(await store.stream.read(subject)).toStrictEqual(events)
    expect(await store.stream.truncateBefore(subject, 3)).toBe(2)
    expect(await store.stream.delete(subject)).toBe(true)
    expect(await store.stream.read(subject)).toEqual([])
  })

  it('are gone through by retention', async () => {
    const old = 'odd:stream:old:1'
    const kept = await store.stream.appendMany(old, [event, { ...event, type: 'b' }])
    await store.stream.append('odd:stream:gone', event)
    await expect.poll(() => store.admin.retention.run({ dryRun: true })).toMatchObject({ rules: [{ events: 1 }, { events: 1 }, { events: 0 }] })
    expect(await store.admin.retention.run()).toMatchObject({ rules: [{ events: 1 }, { events: 1 }, { events: 0 }] })
    expect(await store.stream.read(old)).toStrictEqual(kept.slice(1))
    expect(await store.stream.read(old, { archived: true })).toStrictEqual(kept)
  })

  const metadata = { 'Mixed Case': 'a "b"', 'it\'s': { 'a "b", {c}': { n: 1 } }, 'number': { of: 3 }, 'when': '2024-05-01T10:00:00.000Z', 'more': { 'of "it"': 1 } }

  it('hold entries, which are found by every filter', async () => {
    const key = 'odd:index:"read"'
    await Promise.all(['a', 'b', 'c'].map((id, at) => store.index.add(key, id, at, metadata)))
    await store.index.add(key, 'c', 5)
    const entry = { id: 'a', score: 0, metadata: { ...metadata, version: 0 } }
    expect(await Promise.all([store.index.get(key, 'a'), store.index.get(key, 'x')])).toEqual([entry, null])
    expect((await store.index.getMany(key, ['b', 'c']))[1]).toEqual({ id: 'c', score: 5 })
    expect((await Promise.all([store.index.read(key, { limit: 1 }), store.index.read('odd:index:none')])).map(each => each.length)).toEqual([1, 0])
    expect((await store.index.readPage(key, { limit: 2 })).entries.map(({ id }) => id)).toEqual(['c', 'b'])
    for (const filter of [
      { 'Mixed Case': 'a "b"' }, { 'Mixed Case': ['a "b"', 'x', 5] }, { 'it\'s.a "b", {c}.n': 1 }, { 'it\'s.a "b", {c}.n': [1, 2] }, { 'number.of': 3 },
      { 'more.of "it"': 1 }, { 'more.of "it"': [1, 2] }, { version: 0 },
    ] as Record<string, string>[]) {
      expect(await store.index.read(key, { filter }), JSON.stringify(filter)).toHaveLength(2)
      expect(await store.index.count(key, filter)).toBe(2)
      expect((await store.index.readPage(key, { filter, order: 'asc' })).entries).toHaveLength(2)
    }
  })

  it('hold entries that are changed', async () => {
    const key = 'odd:index:change'
    await Promise.all(['a', 'b'].map(id => store.index.add(key, id, 1, metadata)))
    const patch = { 'Mixed Case': 'new', 'number.of': 4, 'it\'s': { 'a "b", {c}': { m: 2 } }, 'more': null, 'when': 5 }
    expect(await Promise.all(['a', 'b', 'none'].map(id => store.index.update(key, id, patch)))).toEqual([true, true, false])
    expect(await store.index.update(key, 'a', { 'x "y"': 1 }, { expectedVersion: 1 })).toBe(true)
    for (const field of ['it\'s.a "b", {c}.n', 'it\'s.a "b", {c}.deep "er".n', 'number.of', 'x "y"', 'far "off", {}.n']) {
      const before = field === 'number.of' ? 4 : field.endsWith('{c}.n') ? 1 : field === 'x "y"' ? 1 : 0
      expect(await store.index.increment(key, 'a', field, 2), field).toBe(before + 2)
    }
    expect(await Promise.all(['a', 'b'].map(id => store.index.increment(key, id, 'it\'s.a "b", {c}.n')))).toEqual([4, 2])
    await expect(store.index.increment(key, 'a', 'it\'s.a "b", {c}')).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    expect(await store.index.get(key, 'a')).toMatchObject({
      metadata: { 'Mixed Case': 'new', 'number': { of: 6 }, 'it\'s': { 'a "b", {c}': { 'n': 4, 'm': 2, 'deep "er"': { n: 2 } } }, 'when': 5, 'x "y"': 3, 'far "off", {}': { n: 2 } },
    })
    expect(await store.index.delete(key, 'a')).toBe(true)
  })
})
