import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { openPglite } from '../../src/runtime/core/db/pglite/pglite'
import { doctor } from '../../src/runtime/core/doctor/doctor'
import type { DoctorFinding, DoctorOptions } from '../../src/runtime/core/doctor/doctor'
import { migrate } from '../../src/runtime/core/schema/migrate'
import { administer, freshDatabase, onFileEnd, openStore, serverUrl } from '../setup/database'
import type { Database } from '../setup/database'
import { hasPgBouncer, startPgBouncer } from '../setup/pgbouncer'
import { openPool, servers } from './servers'

// The servers of the tests are faster than safe.
const OF_TEST_SERVERS = /^(?:fsync|full_page_writes) is off/

const names = { schema: 'public', prefix: 'nvent' }

const wrong = (findings: DoctorFinding[]) => findings.filter(({ level, message }) => level !== 'ok' && !OF_TEST_SERVERS.test(message))

describe.each(servers)('doctor on $name', ({ server }) => {
  let database: Database

  beforeEach(async () => {
    database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    await store.stream.append('orders:1', { type: 'placed' })
    await store.close()
  })

  /** The findings that are not fine, as new connections find them. */
  async function complaints(options?: DoctorOptions, url = database.url) {
    const pool = openPool(url)
    const findings = await doctor(fromPool(pool), names, options).finally(() => pool.end())
    expect(findings.every(({ check, message, advice, level }) => check && message && (level === 'ok' || advice))).toBe(true)
    return wrong(findings).map(({ check, level, message }) => `${level} ${check}: ${message}`)
  }
  const set = (setting: string, value: string) => database.sql(`alter database ${database.name} set ${setting} = ${value}`)

  it('finds nothing wrong with a store that was just made, looking at everything', async () => {
    const pool = openPool(database.url)
    const findings = await doctor(fromPool(pool), names).finally(() => pool.end())
    expect(wrong(findings)).toEqual([])
    expect([...new Set(findings.map(({ check }) => check))]).toEqual([
      'connection', 'server version', 'pooler', 'connections', 'clock', 'rights', 'schema', 'drift', 'sequences', 'indexes', 'dead tuples', 'long transactions', 'settings',
    ])
  })

  it('stops at a connection that fails, without a secret', async () => {
    const url = new URL(database.url)
    url.password = 's3cr3t'
    const found = await complaints({}, url.href)
    expect(found).toEqual([expect.stringMatching(/^fail connection: .*password/)])
    expect(found.join()).not.toContain('s3cr3t')
  })

  it('finds settings that are unsafe, slow, or in the way', async () => {
    await set('synchronous_commit', 'off')
    await set('default_transaction_isolation', '\'serializable\'')
    await set('statement_timeout', '500')
    expect(await complaints()).toEqual([
      expect.stringContaining('warn settings: synchronous_commit is off'),
      expect.stringContaining('warn settings: transactions are serializable by default'),
      expect.stringContaining('warn settings: statement_timeout is 500 ms'),
    ])
    const [server] = await database.sql<{ fsync: string }>('select current_setting(\'fsync\') as fsync')
    const pool = openPool(database.url)
    const findings = await doctor(fromPool(pool), names).finally(() => pool.end())
    expect(findings.some(({ level, message }) => level === 'fail' && message.startsWith('fsync is off'))).toBe(server!.fsync === 'off')
    await set('default_transaction_read_only', 'on')
    expect(await complaints()).toContain('fail settings: transactions are read-only by default: every write fails')
  })

  it('finds what is pending, and what drifted', async () => {
    await database.sql('drop index idx_nvent_kv_expires')
    await database.sql('alter table nvent_kv add column mine text not null')
    expect(await complaints()).toEqual([
      expect.stringMatching(/^fail drift: column mine of table nvent_kv/), 'warn indexes: index idx_nvent_kv_expires is missing',
    ])
    await database.sql('delete from nvent_schema_version')
    expect(await complaints()).toEqual([expect.stringMatching(/^fail schema: the schema is at version 0, \d+ migrations? (?:is|are) pending/)])
    await database.sql('insert into nvent_schema_version (version, checksum, breaking) values (999, \'x\', true)')
    expect(await complaints()).toContainEqual(expect.stringMatching(/^fail schema: .*version 999/))
  })

  it('finds rights that a role lacks, and how to grant them', async () => {
    const [role, password] = [`app_${randomBytes(6).toString('hex')}`, randomBytes(12).toString('hex')]
    await administer(server, [`create role ${role} login password '${password}'`])
    onFileEnd(() => administer(server, [`drop role ${role}`]))
    const url = serverUrl(server, { database: database.name, user: role, password })
    await database.sql('revoke create on schema public from public')
    await database.sql(`grant select, insert, update, delete on all tables in schema public to ${role}`)
    await database.sql(`grant usage on all sequences in schema public to ${role}`)
    await database.sql(`revoke delete, update on nvent_kv from ${role}`)
    // An append reads the last values of the sequence of ids and of the fence of inline projections.
    expect(await complaints({ autoMigrate: false }, url)).toEqual(['fail rights: no right to delete, update on nvent_kv; no right to select on nvent_events_id_seq, nvent_inline_fence_seq'])
    const pool = openPool(url)
    const findings = await doctor(fromPool(pool), names, { autoMigrate: false }).finally(() => pool.end())
    await database.sql(findings.find(({ check }) => check === 'rights')!.advice)
    expect(await complaints({ autoMigrate: false }, url)).toEqual([])
    expect(await complaints({}, url)).toEqual([expect.stringMatching(/^warn rights: .* may not create tables/)])
    await database.drop()
  })

  it('finds dead rows, until they are vacuumed', async () => {
    await database.sql('alter table nvent_kv set (autovacuum_enabled = off)')
    await database.sql('insert into nvent_kv (key, value) select at::text, \'1\' from generate_series(1, 12000) at')
    await database.sql('delete from nvent_kv')
    const reported = async () => (await database.sql<{ dead: string }>('select n_dead_tup as dead from pg_stat_user_tables where relname = \'nvent_kv\''))[0]?.dead
    await expect.poll(reported).toBe('12000')
    expect(await complaints()).toEqual([expect.stringMatching(/^warn dead tuples: nvent_kv has 12000 dead rows beside 0 live ones, last vacuumed never/)])
    await database.sql('vacuum nvent_kv')
    await expect.poll(complaints).toEqual([])
  })

  it('finds a transaction that is open for long, and who has it', async () => {
    const client = new pg.Client({ connectionString: database.url, application_name: 'reports' })
    await client.connect()
    await client.query('begin')
    expect(await complaints({ longTransaction: 0 })).toEqual([expect.stringMatching(/^warn long transactions: process \d+ of reports has had a transaction open for \d+ s \(idle in transaction\)/)])
    expect(await complaints()).toEqual([])
    await client.end()
  })

  it('finds clocks that differ', async () => {
    const now = Date.now.bind(Date)
    vi.spyOn(Date, 'now').mockImplementation(() => now() - 60_000)
    try {
      expect(await complaints()).toEqual([expect.stringMatching(/^warn clock: the server's clock is (?:60\.\d|59\.9) s ahead of this machine's/)])
    }
    finally {
      vi.restoreAllMocks()
    }
  })

  it.skipIf(!hasPgBouncer())('finds a pooler, and whether it lends connections for one transaction only', async () => {
    const messageThrough = async (mode: 'transaction' | 'session', options: DoctorOptions = {}, settings = {}) => {
      const bouncer = await startPgBouncer(database.url, { pool_mode: mode, ...settings })
      const pool = openPool(bouncer.urlOf(database.url))
      const findings = await doctor(fromPool(pool), names, options).finally(() => pool.end())
      await bouncer.stop()
      return findings.filter(({ check }) => check === 'pooler').map(({ level, message }) => `${level}: ${message}`)
    }
    expect(await messageThrough('transaction')).toEqual(['warn: a pooler in transaction mode, while statements are prepared under names'])
    expect(await messageThrough('transaction', { prepare: false })).toEqual(['ok: a pooler in transaction mode, and `prepare` is off'])
    expect(await messageThrough('session')).toEqual(['ok: a pooler in session mode: each connection of this process has its own server connection'])
    expect(await messageThrough('transaction', {}, { default_pool_size: '1' })).toEqual(['warn: a pooler in transaction mode, while statements are prepared under names'])
  })

  it('does not look for a pooler with one connection', async () => {
    const single = openPool(database.url, 1)
    const findings = await doctor(fromPool(single), names).finally(() => single.end())
    expect(wrong(findings)).toEqual([])
    expect(findings.find(({ check }) => check === 'pooler')?.message).toMatch(/two connections/)
  })
})

describe('doctor on PGlite', () => {
  it('looks at what there is, and leaves a server\'s matters out', async () => {
    const db = await openPglite('pglite://memory')
    onFileEnd(() => db.close())
    await migrate(db, names)
    const findings = await doctor(db, names)
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
    expect(findings.map(({ check }) => check)).toEqual(['connection', 'server version', 'rights', 'schema', 'drift', 'sequences', 'indexes', 'dead tuples'])
  })
})
