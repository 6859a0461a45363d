import { describe, expect, it } from 'vitest'
import type { Context, Use } from './context'

/** What outlives a store: only where the database can be opened again. */
export function durableSuite(use: Use): void {
  async function filled(): Promise<Context> {
    const context = await use().openReady()
    const { store, P } = context
    await store.stream.append('nq:flow:1', { type: 'a', data: 1 })
    await store.stream.append(`${P}:flow:run:1`, { type: 'a', data: 2 })
    await store.index.add('orders', 'a', 1, { n: 1 })
    await store.index.add(`${P}:flows`, 'f', 1, { stats: { total: 1 } })
    await store.kv.set('key', { a: 1 }, 1000)
    return context
  }

  describe('opened again', () => {
    it('the same database gives back everything, and nothing is migrated twice', async () => {
      const { store: first, reopenReady, P } = await filled()
      const events = await first.stream.read('nq:flow:1')
      const { store, info } = await reopenReady()
      expect(info.applied).toBe(0)
      expect(await store.stream.read('nq:flow:1')).toStrictEqual(events)
      expect((await store.stream.read(`${P}:flow:run:1`))[0]).toMatchObject({ data: 2 })
      expect(await store.index.get('orders', 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { n: 1, version: 0 } })
      expect(await store.index.increment(`${P}:flows`, 'f', 'stats.total')).toBe(2)
      expect(await store.kv.get('key')).toStrictEqual({ a: 1 })
      const next = await store.stream.append('nq:flow:1', { type: 'b' })
      expect(BigInt(next.id)).toBeGreaterThan(BigInt(events[0]!.id))
      expect(next.ts).toBeGreaterThanOrEqual(events[0]!.ts)
    })

    it('with autoMigrate: false it works on a schema that is there, and makes no tables for streams', async () => {
      const { reopenReady } = await filled()
      const { store, sql, table, info } = await reopenReady({ autoMigrate: false })
      expect(info.applied).toBe(0)
      const known = await store.stream.append('nq:flow:1', { type: 'b' })
      const fresh = await store.stream.append('brand:new:1', { type: 'b' })
      expect((await store.stream.read('nq:flow:1')).at(-1)).toStrictEqual(known)
      expect(await store.stream.read('brand:new:1')).toStrictEqual([fresh])
      expect(await sql(`select subject from ${table('events_default')}`)).toStrictEqual([{ subject: 'brand:new:1' }])
    })

    it('events that came before their table are found once it is made', async () => {
      const { reopenReady } = await filled()
      const first = await reopenReady({ autoMigrate: false })
      const early = await first.store.stream.append('brand:new:1', { type: 'early' })
      const { store } = await first.reopenReady({ autoMigrate: true })
      expect(await store.stream.read('brand:new:1')).toStrictEqual([early])
      const late = await store.stream.append('brand:new:1', { type: 'late' })
      expect(await store.stream.read('brand:new:1')).toStrictEqual([early, late])
      expect(await store.stream.read('brand:new:1', { after: early.id })).toStrictEqual([late])
    })

    it('another prefix is another store in the same database', async () => {
      const { reopenReady } = await filled()
      const other = await reopenReady({ prefix: 'other' })
      expect(other.info.applied).toBeGreaterThan(0)
      expect(await other.store.kv.get('key')).toBeNull()
      expect(await other.store.stream.read('nq:flow:1')).toStrictEqual([])
      await other.store.stream.append('nq:flow:1', { type: 'other' })
      const again = await other.reopenReady()
      expect((await again.store.stream.read('nq:flow:1')).map(event => event.type)).toStrictEqual(['a'])
    })

    it('a schema made by a newer build is refused, an edited migration, too', async () => {
      const { reopen, sql, table } = await filled()
      const [{ checksum } = { checksum: '' }] = await sql<{ checksum: string }>(`select checksum from ${table('schema_version')} where version = 1`)
      await sql(`update ${table('schema_version')} set checksum = 'edited' where version = 1`)
      const edited = await reopen!()
      await expect(edited.store.ready()).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
      const mended = await edited.reopen!({ autoMigrate: false })
      await expect(mended.store.kv.get('a')).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
      expect(checksum).toMatch(/\S/)
    })
  })
}
