import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runMigrations } from '../../src/runtime/core/schema/api'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { installedBinaries } from '../setup/binaries'
import { administer, freshDatabase, hasServer, onFileEnd, openStore, serverUrl } from '../setup/database'
import type { Database, Row } from '../setup/database'
import { useAll } from './calls'
import { openPool, servers } from './servers'

const page = readFileSync(new URL('../../docs/production.md', import.meta.url), 'utf8')

/** The code of one language under a heading, as it stands on the page. */
function blocksUnder(heading: string, language: string): string[] {
  const section = page.split(/^## /m).find(text => text.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`docs/production.md has no heading ${heading}`)
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(match => match[1]!)
}

const SCHEMA = 'nvent'
const HOUR = 3_600_000

describe('the SQL of docs/production.md', () => {
  it('is all run here', () => {
    const sections = ['Roles', 'The server', 'Monitoring', 'Backup and restore', 'Old events'].map(heading => blocksUnder(heading, 'sql').length)
    expect(sections).toEqual([3, 1, 16, 1, 1])
    expect(page.match(/^```sql$/gm)).toHaveLength(22)
  })
})

describe.each(servers)('the SQL of docs/production.md on $name', ({ server }) => {
  let database: Database

  beforeEach(async () => {
    database = await freshDatabase(server)
  })

  describe('for roles', () => {
    const [roles, revoke, reader] = blocksUnder('Roles', 'sql') as [string, string, string]
    // Roles belong to the whole server: each test has its own.
    let own: (text: string) => string
    let login: (role: string) => string

    beforeEach(async () => {
      const suffix = randomBytes(4).toString('hex')
      own = text => text.replace(/\bnvent_(migrator|app|reader)\b/g, `nvent_$1_${suffix}`)
      const passwords = new Map([...(roles + reader).matchAll(/create role (\w+) login password '([^']+)'/g)].map(match => [match[1]!, match[2]!]))
      login = role => serverUrl(server, { database: database.name, user: own(role), password: passwords.get(role)! })
      // An administrator as hosts give one: no superuser.
      const admin = `admin_${suffix}`
      await administer(server, [`create role ${admin} login createrole password 'x'`, `grant create, connect on database "${database.name}" to ${admin}`])
      const { drop } = database
      onFileEnd(async () => {
        await drop()
        await administer(server, ['nvent_reader', 'nvent_app', 'nvent_migrator'].map(role => `drop role if exists ${own(role)}`).concat(`drop role ${admin}`))
      })
      const administrator = serverUrl(server, { database: database.name, user: admin, password: 'x' })
      await run(administrator, own(roles))
      await migrate(login('nvent_migrator'))
      await run(login('nvent_migrator'), own(revoke))
      await run(administrator, own(reader))
    })

    it('lets one migrate and the other run the app', async () => {
      await useAll(openStore({ connection: login('nvent_app'), schema: SCHEMA, autoMigrate: false }))
      expect(await database.sql('select count(*)::int as count from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = \'nvent\' and pg_get_userbyid(c.relowner) <> $1', [own('nvent_migrator')]))
        .toEqual([{ count: 0 }])
      // A table that a later migration makes.
      await run(login('nvent_migrator'), 'create table nvent.later (id bigint)')
      await run(login('nvent_app'), 'insert into nvent.later values (1)')
    })

    it.each([
      'create table nvent.mine (id int)', 'drop table nvent.nvent_kv', 'truncate nvent.nvent_kv', 'alter table nvent.nvent_kv add column mine int',
      'delete from nvent.nvent_schema_version', 'create or replace function nvent.nvent_merge_patch(target jsonb, patch jsonb) returns jsonb language sql as \'select patch\'',
    ])('does not let the app do this: %s', async (statement) => {
      await expect(run(login('nvent_app'), statement)).rejects.toThrow(/permission denied|must be owner/)
    })

    it('lets a third one look, and no more', async () => {
      await openStore({ connection: login('nvent_app'), schema: SCHEMA, autoMigrate: false }).kv.set('a', 1)
      expect(await run(login('nvent_reader'), 'select key from nvent.nvent_kv')).toEqual([{ key: 'a' }])
      await expect(run(login('nvent_reader'), 'delete from nvent.nvent_kv')).rejects.toThrow(/permission denied/)
    })
  })

  describe('on a store', () => {
    const open = (options?: StoreOptions) => openStore({ connection: database.url, schema: SCHEMA, sweepInterval: 0, ...options })

    beforeEach(async () => {
      const store = open()
      await useAll(store)
      for (const status of ['running', 'done']) {
        await store.index.add('nvent:flow:runs:f', status, 1, { status, startedAt: 1, lastActivityAt: Date.now() - 2 * HOUR })
      }
      for (let at = 0; at < 20; at++) await store.kv.set('often', at)
      await store.kv.set('expired', 1, 0)
      // A connection that ends hands its statistics in.
      await store.close()
    })

    it.each(blocksUnder('Monitoring', 'sql').map(block => [/from (?:nvent\.|pg_)\S+/.exec(block)![0], block]))('for monitoring works: %s', async (_, block) => {
      const [holder, waiter] = [await database.pool.connect(), await database.pool.connect()]
      try {
        await holder.query('begin')
        await holder.query('lock table nvent.nvent_kv in share row exclusive mode')
        const waiting = waiter.query('delete from nvent.nvent_kv where false')
        // The server writes its statistics down now and then.
        await expect.poll(async () => (await database.sql(block)).length, { interval: 250 }).toBeGreaterThan(0)
        await holder.query('commit')
        await waiting
      }
      finally {
        holder.release()
        waiter.release()
      }
    })

    it('for monitoring tells the truth', async () => {
      const blocks = blocksUnder('Monitoring', 'sql')
      const about = async (text: string) => database.sql(blocks.find(block => block.includes(text))!)
      expect(await about('nvent_heads')).toEqual(expect.arrayContaining([expect.objectContaining({ subject: 'orders:1', events: '3' })]))
      expect((await about('and last_activity_at <')).map(({ run_id: id }) => id)).toEqual(['running'])
      expect(await about('group by flow_name, status')).toEqual([{ flow_name: 'f', status: 'done', count: '1' }, { flow_name: 'f', status: 'running', count: '1' }])
      expect(await about('as expired')).toMatchObject([{ keys: '3', expired: '1' }])
      expect(await about('date_trunc')).toMatchObject([{ type: 'started', count: '1' }])
      const [{ last_id: last }] = await about('last_id') as [{ last_id: string }]
      expect(Number((await open().stream.append('orders:1', { type: 'x' })).id)).toBe(Number(last) + 1)
    })

    it('for the server and for old events changes what it says', async () => {
      await run(database.url, blocksUnder('The server', 'sql')[0]!)
      expect(await database.sql('select relname from pg_class where reloptions::text like \'%autovacuum_vacuum_scale_factor=0.02%\' order by 1'))
        .toEqual(['nvent_flow_runs', 'nvent_heads', 'nvent_kv'].map(relname => ({ relname })))
      const store = open()
      await database.sql('update nvent.nvent_flow_events set created_at = now() - interval \'91 days\'')
      await store.stream.append('nvent:flow:run:r', { type: 'new', runId: 'r' })
      await run(database.url, blocksUnder('Old events', 'sql')[0]!)
      expect((await store.stream.read('nvent:flow:run:r')).map(({ type }) => type)).toEqual(['new'])
      expect(await database.sql('select version::int as version from nvent.nvent_flow_events')).toEqual([{ version: 2 }])
    })

    it('for rows without their sequences sets both behind the rows of every table, as often as it is run', async () => {
      await open().close()
      const reset = 'select setval(\'nvent.nvent_events_id_seq\', 1, false), setval(\'nvent.nvent_entries_seq\', 1, false)'
      const highest = `select greatest((select max(id) from nvent.nvent_events), (select max(id) from nvent.nvent_flow_events))::text as event,
        greatest((select max(seq) from nvent.nvent_index), (select max(seq) from nvent.nvent_flow_runs))::text as entry`
      const [rows] = await database.sql(highest)
      await database.sql(reset)
      await expect(open({ autoMigrate: false }).ready()).rejects.toMatchObject({ code: 'SCHEMA_BEHIND' })
      for (let at = 0; at < 2; at++) await run(database.url, blocksUnder('Backup and restore', 'sql')[0]!)
      expect(await database.sql('select (select last_value from nvent.nvent_events_id_seq)::text as event, (select last_value from nvent.nvent_entries_seq)::text as entry')).toEqual([rows])
      const store = open({ autoMigrate: false })
      expect(Number((await store.stream.append('orders:1', { type: 'x' })).id)).toBe(Number(rows!.event) + 1)
    })

    it('is right about locks: eight for each table of a subject type, and few for one subject', async () => {
      const store = open()
      for (let at = 0; at < 10; at++) await store.stream.append(`kind${at}:1`, { type: 'x' })
      const locks = (where: string) => store.transaction(async (tx) => {
        await tx.query(`select id from nvent.nvent_events where ${where} order by id limit 100`)
        const { rows: [row] } = await tx.query('select count(*)::int as count from pg_locks where pid = pg_backend_pid() and relation is not null')
        return row!.count as number
      })
      const [some, one] = [await locks('id > 0'), await locks('subject_prefix = \'kind1\' and subject = \'kind1:1\'')]
      await store.stream.append('one-more:1', { type: 'x' })
      expect(await locks('id > 0') - some).toBe(8)
      expect(one).toBeLessThanOrEqual(17)
    })

    it('and a store that only reads needs no right to write', async () => {
      await database.sql(`alter database "${database.name}" set default_transaction_read_only = on`)
      const store = open({ autoMigrate: false })
      expect(await store.stream.read('orders:1')).toHaveLength(3)
      expect(await store.kv.get('often')).toBe(19)
      expect(await store.index.get('nvent:flow:runs:f', 'done')).not.toBeNull()
      await expect(store.kv.set('a', 1)).rejects.toMatchObject({ code: 'CONNECTION', details: { sqlState: '25006' } })
    })
  })
})

describe.runIf(hasServer('pg15'))('the backup of docs/production.md', () => {
  let programs: string | undefined

  beforeAll(async () => {
    const bin = await installedBinaries()
    programs = bin !== undefined && await access(join(bin, 'pg_dump')).then(() => true, () => false) ? bin : undefined
  })

  it.each(servers)('can be restored on $name, and the store goes on where it was', async ({ server }) => {
    // The programs are installed with a server; without them there is nothing to run.
    if (programs === undefined) return
    const [from, to] = [await freshDatabase('pg15'), await freshDatabase(server, { name: 'restored "x"' })]
    const store = openStore({ connection: from.url, schema: SCHEMA })
    await useAll(store)
    await store.stream.appendMany('orders:1', [{ type: 'more' }, { type: 'last' }])
    await store.index.add('orders', 'a', 1, { status: 'open' })
    const before = await contentOf(store)

    const directory = await mkdtemp(join(tmpdir(), 'nvent-store-dump-'))
    onFileEnd(() => rm(directory, { recursive: true, force: true }))
    await promisify(execFile)('bash', ['-e', '-c', blocksUnder('Backup and restore', 'bash').join('\n')], {
      cwd: directory, env: { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}`, DATABASE_URL: from.url, RESTORED_URL: to.url },
    })
    const restored = openStore({ connection: to.url, schema: SCHEMA })
    expect((await restored.ready()).applied).toBe(0)
    expect(await contentOf(restored)).toEqual(before)
    const last = before.events.at(-1)!
    const next = await restored.stream.append('orders:1', { type: 'after' })
    expect(Number(next.id)).toBe(Number(last.id) + 1)
    expect(await to.sql('select max(version)::int as version from nvent.nvent_stream_orders where subject = \'orders:1\'')).toEqual([{ version: before.events.length + 1 }])
    await restored.index.add('orders', 'b', 1, { status: 'open' })
    expect((await restored.index.read('orders')).map(({ id }) => id)).toEqual(['a', 'b'])
    // A subject prefix that is new gets its table, too.
    await restored.stream.append('invoices:1', { type: 'sent' })
    expect(await to.sql('select count(*)::int as count from nvent.nvent_stream_invoices')).toEqual([{ count: 1 }])
  })
})

async function contentOf(store: ReturnType<typeof openStore>) {
  return {
    events: await store.stream.read('orders:1'),
    run: await store.stream.read('nvent:flow:run:r'),
    entries: await store.index.read('orders'),
    flow: await store.index.get('nvent:flows', 'f'),
    value: await store.kv.get('k'),
  }
}

async function run(url: string, text: string): Promise<Row[]> {
  const pool = openPool(url)
  return await pool.query<Row>(text).then(({ rows }) => rows).finally(() => pool.end())
}

async function migrate(url: string): Promise<void> {
  const pool = openPool(url)
  await runMigrations(pool, 'nvent', SCHEMA).finally(() => pool.end())
}
