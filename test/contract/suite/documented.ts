import { describe, expect, it } from 'vitest'
import { getCurrentVersion, rollbackTo, runMigrations } from '../../../src/runtime/core/index'
import { unique } from './context'
import type { Use } from './context'

/** The examples of the documentation this store replaces, as they are written there. */
export function documentedSuite(use: Use): void {
  describe('documented example: working with event streams', () => {
    it('does what it says', async () => {
      const { store, P } = use()
      const subject = `${P}:flow:${unique('run123')}`
      const first = await store.stream.append(subject, {
        type: 'flow:started',
        flowName: 'my-flow',
        runId: 'run123',
        data: { input: 'test' },
      })
      expect(first).toStrictEqual({
        id: expect.stringMatching(/^\d+$/), ts: expect.any(Number), type: 'flow:started', flowName: 'my-flow', runId: 'run123', data: { input: 'test' },
      })
      const other = await store.stream.append(subject, { type: 'step:started' })
      const last = await store.stream.append(subject, { type: 'flow:completed' })

      expect(await store.stream.read(subject, { limit: 50, order: 'desc', types: ['flow:started', 'flow:completed'] })).toStrictEqual([last, first])
      expect(await store.stream.read(subject, { from: Date.now() - 3600000, to: Date.now() + 3600000, limit: 100 })).toStrictEqual([first, other, last])
      expect(await store.stream.read(subject, { from: Date.now() - 7200000, to: Date.now() - 3600000 })).toStrictEqual([])
      expect(await store.stream.read(subject, { after: first.id, limit: 100 })).toStrictEqual([other, last])

      await store.stream.delete(subject)
      expect(await store.stream.read(subject)).toStrictEqual([])
    })
  })

  describe('documented example: working with indexes', () => {
    it('does what it says', async () => {
      const { store, P } = use()
      const key = `${P}:scheduler:trigger:${unique('flow1')}`
      const now = Date.now()
      await store.index.add(key, 'trigger-123', now, {
        cron: '0 * * * *',
        enabled: true,
        stats: { totalFires: 0, lastFire: null },
      })
      expect(await store.index.get(key, 'trigger-123')).toStrictEqual({
        id: 'trigger-123', score: now, metadata: { cron: '0 * * * *', enabled: true, stats: { totalFires: 0, lastFire: null }, version: 0 },
      })
      expect(await store.index.update(key, 'trigger-123', { enabled: false })).toBe(true)
      await store.index.updateWithRetry(key, 'trigger-123', { 'stats.totalFires': 5 })
      expect(await store.index.increment(key, 'trigger-123', 'stats.totalFires', 1)).toBe(6)
      expect(await store.index.read(key, { offset: 0, limit: 50 })).toStrictEqual([{
        id: 'trigger-123', score: now, metadata: { cron: '0 * * * *', enabled: false, stats: { totalFires: 6, lastFire: null }, version: 3 },
      }])
      await store.index.delete(key, 'trigger-123')
      expect(await store.index.get(key, 'trigger-123')).toBeNull()
    })
  })

  describe('documented example: working with the key-value store', () => {
    it('does what it says', async () => {
      const { store, P } = use()
      const run = unique()
      await store.kv.set(`${P}:scheduler:lock:${run}`, { owner: 'worker-1' }, 60)
      expect(await store.kv.get(`${P}:scheduler:lock:${run}`)).toStrictEqual({ owner: 'worker-1' })
      await store.kv.set(`${P}:config:${run}`, { maxRetries: 3 })
      expect(await store.kv.get(`${P}:config:${run}`)).toStrictEqual({ maxRetries: 3 })
      expect(await store.kv.increment(`${P}:counter:${run}`, 1)).toBe(1)
      await store.kv.set(`${P}:temp:${run}:data`, 1)
      await store.kv.delete(`${P}:temp:${run}:data`)
      await store.kv.set(`${P}:temp:${run}:a`, 1)
      await store.kv.set(`${P}:temp:${run}:b`, 1)
      expect(await store.kv.clear(`${P}:temp:${run}:*`)).toBe(2)
    })
  })

  describe('documented example: manual migration', () => {
    it('does what it says', async ({ skip }) => {
      const { pool, info, sql } = use()
      if (!pool) return skip('needs a pool: the database is embedded')
      const prefix = 'manual'
      expect(await getCurrentVersion(pool, prefix, info.schema)).toBe(0)
      await runMigrations(pool, prefix, info.schema)
      expect(await getCurrentVersion(pool, prefix, info.schema)).toBe(info.schemaVersion)
      expect(await runMigrations(pool, prefix, info.schema)).toStrictEqual({ version: info.schemaVersion, applied: 0 })
      const tables = () => sql<{ relname: string }>(
        `select relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where nspname = $1 and relname like 'manual%'`, [info.schema])
      expect((await tables()).map(({ relname }) => relname)).toContain('manual_kv')
      await rollbackTo(pool, prefix, 0, info.schema)
      expect(await tables()).toStrictEqual([])
      expect(await getCurrentVersion(pool, prefix, info.schema)).toBe(0)
      expect(await getCurrentVersion(pool, info.prefix, info.schema), 'another prefix is left alone').toBe(info.schemaVersion)
    })
  })

  describe('documented SQL', () => {
    it('EXPLAIN ANALYZE of a read by subject runs', async () => {
      const { store, sql, table } = use()
      await store.stream.append('nvent:flow:abc123', { type: 'a' })
      const plan = await sql<{ 'QUERY PLAN': string }>(
        `EXPLAIN ANALYZE SELECT * FROM ${table('events')} WHERE subject = 'nvent:flow:abc123' ORDER BY ts DESC LIMIT 50`)
      expect(plan.map(row => row['QUERY PLAN']).join('\n')).toContain('rows')
    })

    it('the sizes of all tables can be listed by prefix', async () => {
      const { sql, info } = use()
      const rows = await sql(
        `SELECT tablename, pg_total_relation_size(format('%I.%I', schemaname, tablename)) AS size FROM pg_tables WHERE schemaname = $1 AND starts_with(tablename, $2)`,
        [info.schema, `${info.prefix}_`])
      expect(rows.length).toBeGreaterThan(8)
    })

    it('the migrations that ran are in the table of versions', async () => {
      const { sql, table, info } = use()
      const rows = await sql<{ version: number }>(`SELECT * FROM ${table('schema_version')} ORDER BY version`)
      expect(rows.at(-1)!.version).toBe(info.schemaVersion)
    })
  })
}
