import { setup, useTestContext } from '@nuxt/test-utils/e2e'
import { expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { openPeer } from '../setup/peer/index'
import { CONNECTIONS, fixture, startOutput, until, SETUP_LIMIT } from './support'

/** What holds whichever of the two modules comes first. One file for each order: they are two builds. */
export async function worksWithNvent(): Promise<void> {
  await setup({ rootDir: fixture('nvent'), server: false, build: true, setupTimeout: SETUP_LIMIT })

  const start = (env: Record<string, string>) => startOutput(useTestContext().nuxt!.options.nitro.output!.dir!, { env })
  const TABLES = 'select count(*)::integer as tables from pg_tables where schemaname = \'public\''

  it('registers the store, and nvent works on it under its own prefix', async () => {
    const database = await freshDatabase('pg18')
    const app = await start({ DATABASE_URL: database.url })
    expect(await app.post('/api/state')).toEqual({
      registered: ['postgres'], same: true, flow: { id: 'greet', score: 1, metadata: { displayName: 'Greet', stats: { total: 0 }, version: 0 } },
    })
    expect(await database.sql('select flow_name, display_name from nq_flows')).toEqual([{ flow_name: 'greet', display_name: 'Greet' }])
    expect(app.logs()).toMatch(/from DATABASE_URL, schema public, prefix nq, migrated to version/)
    expect(app.logs()).not.toMatch(/adopted|differs/)
    // Its queue drains while the app ends.
    expect(await app.stop()).toBe(0)
    expect(app.logs()).not.toMatch(/CLOSED|is closed/)
    expect(await database.sql('select count(*)::integer as events from nq_flow_events')).toEqual([{ events: 5 }])
  })

  it('finds what the published adapter left in nvent\'s own schema, and says so', async () => {
    const database = await freshDatabase('pg18')
    const peer = await openPeer(database.url, { prefix: 'nq', schema: 'nvent_store' })
    await peer.index.add('nq:flows', 'old', 1, { displayName: 'Old', registeredAt: 1, stats: { total: 7 } })
    await peer.close()
    const app = await start({ DATABASE_URL: database.url })
    await app.post('/api/state')
    expect(await database.sql('select flow_name, stats_total::integer from public.nq_flows order by flow_name')).toMatchObject([{ flow_name: 'greet' }, { flow_name: 'old', stats_total: 7 }])
    await until(app.logs, logs => logs.includes('adopted the tables of @nvent-addon/adapter-store-postgres in schema nvent_store'))
  })

  it('connects and migrates nothing when nvent works on another adapter, until the store is used', async () => {
    const database = await freshDatabase('pg18')
    const app = await start({ DATABASE_URL: database.url, NUXT_NVENT_STORE_ADAPTER: 'file' })
    expect(await app.post('/api/registered')).toEqual({ registered: ['postgres'] })
    expect(await database.sql(CONNECTIONS)).toEqual([{ open: 0 }])
    expect(await database.sql(TABLES)).toEqual([{ tables: 0 }])
    expect(app.logs()).not.toContain('nvent-store-postgres')

    expect(await app.post('/api/state')).toMatchObject({ same: true, flow: null })
    expect(await database.sql(TABLES)).not.toEqual([{ tables: 0 }])
  })

  it('needs no database when nvent works on another adapter', async () => {
    const app = await start({ NUXT_NVENT_STORE_ADAPTER: 'file' })
    expect(await app.post('/api/registered')).toEqual({ registered: ['postgres'] })
    expect(app.logs()).not.toContain('nvent-store-postgres')
  })
}
