import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { migrations, runMigrations } from '../../src/runtime/core/schema/api'
import { embeddedBinaries, installedBinaries } from '../setup/binaries'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { startServer } from '../setup/postgres'
import { openPeer } from '../setup/peer/index'
import type { Peer } from '../setup/peer/index'
import type { EventRecord } from '../../src/runtime/core/shared/event'
import { everything } from './catalog'
import { START, contentOf, expectSame, fill } from './published'
import { oneServer, openPool } from './servers'

const LATEST = migrations.length
const FEW = { flows: 3, runs: 12, events: 120, triggers: 4, fires: 20, jobs: 6, keys: 30 }
// Enough rows for an adoption that is still under way when somebody interferes.
const MORE = `insert into nvent_flow_events (run_id, flow_name, ts, type, data)
  select 'more-' || n % 100, 'f', ${START} + n, 'x', '{"a": "b"}' from generate_series(1, 150000) n`
const COUNT = 'select count(*)::int as count from nvent_flow_events'
// Who holds the lock of the adoption, and works under it.
const ADOPTING = `select pid from pg_locks where mode = 'AccessExclusiveLock' and granted and pid <> pg_backend_pid()
  and relation = 'nvent_flow_events'::regclass and database = (select oid from pg_database where datname = current_database())`

describe.each(oneServer)('the adoption of a database', ({ server }) => {
  let database: Database
  let peer: Peer

  beforeEach(async () => {
    database = await freshDatabase(server)
    peer = await openPeer(database.url)
  })

  /** The backend that is adopting, once there is one. */
  async function adopting(): Promise<number> {
    for (;;) {
      const [row] = await database.sql<{ pid: number }>(ADOPTING)
      if (row) return row.pid
      await sleep(5)
    }
  }

  async function killAdoption(after: number): Promise<void> {
    const pid = await adopting()
    await sleep(after)
    await database.sql('select pg_terminate_backend($1)', [pid])
  }

  it('leaves everything as it was when its backend is killed, whenever that is, and can be run again', async () => {
    await fill(peer, FEW)
    await database.sql(MORE)
    const content = await contentOf(peer, FEW)
    const before = await everything(database.sql)
    let killed = 0
    for (const after of [0, 50, 150, 400, 700]) {
      const pool = openPool(database.url)
      const [result] = await Promise.allSettled([runMigrations(pool), killAdoption(after)])
      await pool.end()
      // On a fast machine it may be over by then.
      if (result.status === 'fulfilled') break
      killed++
      expect(await everything(database.sql)).toEqual(before)
      expect(await contentOf(peer, FEW)).toEqual(content)
    }
    expect(killed).toBeGreaterThanOrEqual(2)
    await peer.close()
    const store = openStore({ connection: database.url })
    expect((await store.ready()).schemaVersion).toBe(LATEST)
    await expectSame(store, content)
    expect(await database.sql(COUNT)).toEqual([{ count: 150_120 }])
  })

  it('is begun again by a store that starts', async () => {
    await database.sql(MORE)
    await peer.close()
    const store = openStore({ connection: database.url })
    const [info] = await Promise.all([store.ready(), killAdoption(100)])
    expect(info).toMatchObject({ schemaVersion: LATEST, applied: LATEST })
    expect(await database.sql(COUNT)).toEqual([{ count: 150_000 }])
  })

  it('loses nothing that writers were told is written, and refuses what comes too late', async () => {
    await fill(peer, FEW)
    await database.sql(MORE)
    const second = await openPeer(database.url)
    const acknowledged = { events: new Set<string>(), keys: new Set<string>(), runs: new Set<string>(), counted: 3 }
    const refused = { events: 0, keys: 0, runs: 0 }
    let stop = false
    const write = async (kind: keyof typeof refused, call: (name: string) => Promise<unknown>, who: number) => {
      for (let at = 0; !stop; at++) {
        const name = `${kind}-${who}-${at}`
        await call(name).then(() => acknowledged[kind].add(name), () => void refused[kind]++)
      }
    }
    const count = async (writer: Peer) => {
      while (!stop) {
        await writer.index.increment('nvent:flows', 'flow-0', 'stats.failure')
        acknowledged.counted++
      }
    }
    const writers = [peer, second].flatMap((writer, who) => [
      write('events', name => writer.stream.append(`nvent:flow:run:${who}`, { type: name, flowName: 'f' }), who),
      write('keys', name => writer.kv.set(name, { name }), who),
      write('runs', name => writer.index.add('nvent:flow:runs:late', name, START, { status: 'running', startedAt: START }), who),
      count(writer),
    ])
    await peer.index.increment('nvent:flows', 'flow-0', 'stats.failure', 3)
    await sleep(200)
    const store = openStore({ connection: database.url })
    expect((await store.ready()).applied).toBe(LATEST)
    const after = { events: acknowledged.events.size, keys: acknowledged.keys.size, runs: acknowledged.runs.size }
    await sleep(200)
    stop = true
    await Promise.all(writers)

    expect(Math.min(...Object.values(after))).toBeGreaterThan(0)
    expect(Math.min(...Object.values(refused))).toBeGreaterThan(0)
    const late = (await Promise.all(['0', '1'].map(who => store.stream.read(`nvent:flow:run:${who}`)))).flat() as EventRecord[]
    expect(late.map(({ type }) => type).sort()).toEqual([...acknowledged.events].sort())
    const keys = [...acknowledged.keys]
    expect(await store.kv.getMany(keys)).toEqual(keys.map(name => ({ name })))
    expect((await store.index.read('nvent:flow:runs:late', { limit: 1_000_000 })).map(({ id }) => id).sort()).toEqual([...acknowledged.runs].sort())
    // Changes of entries that are there go through; they are in the same columns.
    expect((await store.index.get('nvent:flows', 'flow-0'))?.metadata).toMatchObject({ stats: { failure: acknowledged.counted } })
    await expect(peer.stream.append('nvent:flow:run:0', { type: 'x', flowName: 'f' })).rejects.toThrow(/null value in column "version"/)
    await expect(peer.kv.set('late', 1)).rejects.toThrow(/no unique or exclusion constraint/)
  })

  it('gives up when the tables are in use for long, and leaves them untouched', async () => {
    const before = await everything(database.sql)
    const reader = await database.pool.connect()
    try {
      await reader.query('begin')
      await reader.query('select * from nvent_kv')
      await expect(runMigrations(database.pool)).rejects.toMatchObject({
        code: 'TIMEOUT', retryable: true, message: expect.stringMatching(/in use.*stop the app/) as string,
      })
    }
    finally {
      await reader.query('rollback')
      reader.release()
    }
    expect(await everything(database.sql)).toEqual(before)
    expect((await runMigrations(database.pool)).applied).toBe(LATEST)
  })
})

describe('the adoption on a server that crashes', () => {
  it('leaves everything as it was, and can be run again', async () => {
    const server = await startServer(await installedBinaries() ?? await embeddedBinaries())
    onFileEnd(() => server.stop('immediate'))
    const pool = openPool(server.url)
    onFileEnd(() => pool.end())
    const peer = await openPeer(server.url)
    await fill(peer, FEW)
    await pool.query(MORE)
    const content = await contentOf(peer, FEW)
    const failing = expect(runMigrations(pool)).rejects.toThrow()
    for (let found = 0; found === 0;) found = (await pool.query(ADOPTING)).rowCount ?? 0
    await sleep(100)
    await server.halt('immediate')
    await failing
    await server.start()
    expect(await contentOf(peer, FEW)).toEqual(content)
    await peer.close()
    const store = openStore({ connection: server.url })
    await expectSame(store, content)
    expect((await pool.query(COUNT)).rows).toEqual([{ count: 150_120 }])
  })
})
