import { describe, expect, it } from 'vitest'
import type { IndexEntry, IndexPageOptions } from '../../src/runtime/core/entries/types'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer } from '../setup/backends'
import { quote } from './suite/context'

const range = (count: number) => Array.from({ length: count }, (_, at) => at)

async function pages(store: Store, key: string, options: IndexPageOptions): Promise<IndexEntry[][]> {
  const found: IndexEntry[][] = []
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await store.index.readPage(key, { ...options, cursor })
    if (page.entries.length > 0) found.push(page.entries)
    cursor = page.cursor
  }
  return found
}

describe.each(embeddedAndServer)('calls for many on $name', ({ open, available }) => {
  it.runIf(available())('appendMany appends all events in order, or none', async () => {
    const { store } = await open()
    const records = await store.stream.appendMany('orders:1', range(7).map(at => ({ type: 'counted', data: at })))
    expect(records.map(record => record.data)).toEqual(range(7))
    await expect(store.stream.appendMany('orders:1', [{ type: 'counted', data: 7 }, { type: 'counted', data: Number.NaN }]))
      .rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining('events.1.data') })
    expect(await store.stream.read('orders:1')).toEqual(records)
    expect(await store.stream.appendMany('orders:1', [])).toEqual([])
  })

  it.runIf(available())('appendMany imports any number of events and says how far it is', async () => {
    const { store, sql } = await open()
    const progress: unknown[] = []
    const events = range(11_000).map(at => ({ type: 'imported', data: at }))
    await store.stream.appendMany('imports:1', events, { onProgress: step => progress.push(step) })
    expect(progress).toEqual([5_000, 10_000, 11_000].map(appended => ({ appended, total: 11_000 })))
    expect((await store.stream.read('imports:1')).map(event => event.data)).toEqual(range(11_000))
    expect(await sql('select count(*)::int as tables from pg_class where relname like \'%stream_imports\'')).toEqual([{ tables: 1 }])
  })

  it.runIf(available())('an import is not waited for by calls that its onProgress makes', async () => {
    const { store } = await open()
    const refused: unknown[] = []
    const tell = (call: () => Promise<unknown>) => async () => {
      refused.push(await call().catch((error: unknown) => error))
    }
    const { stream } = store
    const inside = [() => stream.append('imports:5', { type: 'x' }), () => stream.appendMany('imports:5', [{ type: 'x' }]), () => stream.delete('imports:5'), () => store.close()]
    for (const call of inside) await stream.appendMany('imports:5', [{ type: 'x' }], { onProgress: tell(call) as () => void })
    expect(refused).toEqual(inside.map(() => expect.objectContaining({ code: 'INVALID_CALL' }) as unknown))
    expect(await stream.read('imports:5')).toHaveLength(inside.length)
  })

  it.runIf(available())('an onProgress may use another store as it likes', async () => {
    const [{ store }, { store: other }] = [await open(), await open({ prefix: 'other' })]
    const onProgress = (async () => {
      await other.stream.append('imports:6', { type: 'x' })
      await other.close()
    }) as () => void
    await store.stream.appendMany('imports:6', [{ type: 'x' }], { onProgress })
    expect(await store.stream.read('imports:6')).toHaveLength(1)
  })

  it.runIf(available()).each([
    ['that throws', () => {
      throw new Error('stop')
    }],
    ['that rejects', () => Promise.reject(new Error('stop'))],
  ])('an import of any size whose onProgress is one %s is rolled back, and rejects with its error', async (_, onProgress) => {
    const { store } = await open()
    for (const size of [1, 3, 5_000, 5_001]) {
      for (const eventIds of [undefined, range(size).map(String)]) {
        const events = range(size).map(() => ({ type: 'imported' }))
        await expect(store.stream.appendMany('imports:2', events, { eventIds, onProgress })).rejects.toThrow('stop')
        expect(await store.stream.read('imports:2')).toEqual([])
        expect(await store.stream.current('imports:2')).toBeNull()
      }
    }
    // The subject takes events as if nothing had been tried.
    await store.stream.append('imports:2', { type: 'first' }, { expectedVersion: 'no-stream', eventId: '0' })
    await store.transaction(async (tx) => {
      await expect(tx.stream.appendMany('imports:2', [{ type: 'x' }], { onProgress })).rejects.toThrow('stop')
      throw new Error('rolled back')
    }).catch(() => undefined)
    expect(await store.stream.read('imports:2')).toHaveLength(1)
  })

  it.runIf(available())('readPage walks the whole index in either order, through equal scores', async () => {
    const { store } = await open()
    for (const key of ['things', 'nvent:flow:runs:pages']) {
      for (const at of range(150)) await store.index.add(key, `e${at}`, Math.floor(at / 7), { status: at % 2 ? 'odd' : 'even' })
      const all = await store.index.read(key, { limit: 1_000 })
      expect(all).toHaveLength(150)
      expect((await pages(store, key, { limit: 4 })).flat()).toEqual(all)
      expect((await pages(store, key, { limit: 4, order: 'asc' })).flat()).toEqual(all.toReversed())
      expect((await pages(store, key, { limit: 70 })).flat()).toEqual(all)
      expect(await pages(store, key, { limit: 150 })).toEqual([all])
      const inside = all.filter(({ score, metadata }) => score >= 1 && score <= 2 && metadata?.status === 'odd')
      expect((await pages(store, key, { limit: 3, min: 1, max: 2, filter: { status: 'odd' } })).flat()).toEqual(inside)
      expect(await store.index.count(key)).toBe(150)
      expect(await store.index.count(key, { status: ['odd', 'none'] })).toBe(75)
    }
    expect(await store.index.readPage('nothing')).toEqual({ entries: [], cursor: null })
    expect(await store.index.count('nothing')).toBe(0)
  })

  it.runIf(available())('count knows every way entries come and go, the SQL of others among them', async () => {
    const { store, sql, subjectPrefix } = await open({ sweepInterval: 20 })
    const { schema, prefix } = await store.ready()
    const P = subjectPrefix ?? prefix
    const table = (name: string) => `${quote(schema)}.${quote(`${prefix}_${name}`)}`
    const keys = ['things', `${P}:flow:runs:counted`, `${P}:triggers`]
    const counts = () => Promise.all(keys.map(key => store.index.count(key)))
    for (const key of keys) await Promise.all(range(40).map(at => store.index.add(key, `e${at}`, at)))
    await Promise.all(range(20).map(at => store.index.add('things', `e${at}`, 0, { replaced: true })))
    expect(await counts()).toEqual([40, 40, 40])
    await store.index.delete('things', 'e0')
    expect(await store.index.delete('things', 'none')).toBe(false)
    await sql(`delete from ${table('flow_runs')} where run_id in ('e1', 'e2')`)
    await sql(`truncate ${table('triggers')}`)
    await expect(store.transaction(async (tx) => {
      await tx.index.add('things', 'undone', 1)
      expect(await tx.index.count('things')).toBe(40)
      throw new Error('undone')
    })).rejects.toThrow('undone')
    expect(await counts()).toEqual([39, 38, 0])
    // Summed up, one row is left for each key, and the counts stay.
    await expect.poll(() => sql(`select key from ${table('entry_counts')} order by key`)).toEqual([{ key: 'counted' }, { key: 'things' }])
    expect(await counts()).toEqual([39, 38, 0])
  })

  it.runIf(available())('readPage is not moved by entries that come and go between pages', async () => {
    const { store } = await open()
    for (const at of range(10)) await store.index.add('moving', `e${at}`, at)
    const first = await store.index.readPage('moving', { limit: 4 })
    await store.index.add('moving', 'above', 100)
    await store.index.remove('moving', 'e6')
    const second = await store.index.readPage('moving', { limit: 4, cursor: first.cursor })
    expect([...first.entries, ...second.entries].map(({ id }) => id)).toEqual(['e9', 'e8', 'e7', 'e6', 'e5', 'e4', 'e3', 'e2'])
  })

  it.runIf(available()).each(['', 'x', Buffer.from('[1,"2"').toString('base64url'), Buffer.from('["1","2"]').toString('base64url'), 5])('readPage refuses the cursor %j', async (cursor) => {
    const { store } = await open()
    await expect(store.index.readPage('things', { cursor: cursor as string })).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining('cursor') })
  })

  it.runIf(available())('getMany answers in the order it was asked, with null for what is not there', async () => {
    const { store } = await open()
    await store.index.add('nvent:flows', 'a', 1, { displayName: 'A' })
    await store.index.add('nvent:flows', 'b', 2)
    expect(await store.index.getMany('nvent:flows', ['b', 'x', 'a', 'b'])).toEqual([
      { id: 'b', score: 2 }, null, { id: 'a', score: 1, metadata: { displayName: 'A', version: 0 } }, { id: 'b', score: 2 },
    ])
    await store.kv.setMany([{ key: 'a', value: 1 }, { key: 'b', value: null }, { key: 'a', value: { of: 2 } }, { key: 'gone', value: 1, ttlSeconds: 0 }])
    expect(await store.kv.getMany(['a', 'gone', 'b', 'a', 'x'])).toEqual([{ of: 2 }, null, null, { of: 2 }, null])
    expect([await store.index.getMany('nvent:flows', []), await store.kv.getMany([])]).toEqual([[], []])
  })

  it.runIf(available())('setMany stores all values or none', async () => {
    const { store } = await open()
    await expect(store.kv.setMany([{ key: 'a', value: 1 }, { key: 'b', value: 1n }])).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining('entries.1.value') })
    expect(await store.kv.get('a')).toBeNull()
  })
})
