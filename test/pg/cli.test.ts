import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { migrations } from '../../src/runtime/core/schema/api'
import { emptyDirectory, runCli } from '../setup/commandLine'
import { freshDatabase, openStore, serverUrl } from '../setup/database'
import type { Database } from '../setup/database'
import { everything, namesIn } from './catalog'
import { oneServer } from './servers'

const LATEST = migrations.length
const SECRET = 's3cr3t'

describe.each(oneServer)('the command line on a server', ({ server }) => {
  let database: Database
  let cwd: string
  const on = (...args: string[]) => runCli([...args, '--url', database.url], { cwd })

  beforeEach(async () => {
    database = await freshDatabase(server)
    cwd = await emptyDirectory()
  })

  const filled = async () => {
    const store = openStore({ connection: database.url })
    await store.stream.append('orders:1', { type: 'placed', data: { total: 5 } })
    await store.stream.append('orders:2', { type: 'placed' })
    await store.stream.append('nvent:flow:run:r', { type: 'started', runId: 'r' })
    await store.index.add('orders', 'a', 1, { status: 'open' })
    await store.index.add('orders', 'b', 2)
    await store.kv.set('a:1', { deep: [1] })
    await store.kv.set('a:2', null, 3_600)
    await store.kv.set('a:gone', 1, 0)
    await store.kv.set('b%', 'x')
    await store.close()
  }

  it('migrates, says what it would do before, and what it did', async () => {
    const before = await everything(database.sql)
    const dry = await on('migrate', '--dry-run')
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringMatching(/^version 0, pending:\n {2}1 {2}init +one transaction/) as string })
    expect((await on('migrate', '--dry-run', '--json')).json()).toMatchObject({ version: 0, latest: LATEST, pending: Array.from({ length: LATEST }, (_, at) => ({ version: at + 1, transaction: true })) })
    expect(await everything(database.sql)).toEqual(before)

    expect((await on('migrate', '--json')).json()).toEqual({
      database: expect.stringContaining(database.name) as string, source: '--url', schema: 'public', prefix: 'nvent', version: LATEST, applied: LATEST,
    })
    expect(await on('migrate')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^already at version \d+: .* \(from --url\), schema public, prefix nvent\n$/) as string })
    expect(await on('migrate', '--dry-run')).toMatchObject({ code: 0, stdout: `version ${LATEST}, nothing is pending\n` })
  })

  it('removes the events that exceed the retention rules, by a rule or by the config', async () => {
    await filled()
    expect(await on('retention')).toMatchObject({ code: 2 })
    expect(await on('retention', '--max-count', '1')).toMatchObject({ code: 2 })
    await openStore({ connection: database.url }).stream.append('orders:1', { type: 'paid' })
    const rule = ['retention', '--subject', 'orders:*', '--max-count', '1']
    expect(await on(...rule, '--dry-run')).toMatchObject({ code: 0, stdout: 'orders:*: 1 events would be deleted\n1 events in all\n' })
    expect((await on(...rule, '--dry-run', '--json')).json()).toMatchObject({ busy: false, events: 1, rules: [{ subject: 'orders:*', action: 'drop', events: 1 }] })
    expect((await on('retention', '--subject', 'nvent:flow:*', '--max-age', '1d', '--dry-run', '--json')).json()).toMatchObject({ events: 0 })
    // Nobody can be asked here.
    expect(await on(...rule)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') as string })
    expect(await database.sql('select count(*)::integer as events from nvent_events')).toEqual([{ events: 3 }])
    expect(await on('retention', '--subject', 'orders:*', '--max-count', '1', '--archive'))
      .toMatchObject({ code: 0, stdout: 'orders:*: 1 events archived\n1 events in all\n' })
    expect(await database.sql('select subject, type from nvent_events_archive')).toEqual([{ subject: 'orders:1', type: 'placed' }])
    expect(await database.sql('select subject, type from nvent_events order by subject')).toEqual([{ subject: 'orders:1', type: 'paid' }, { subject: 'orders:2', type: 'placed' }])
    expect(await on('retention', '--subject', 'orders:2', '--max-age', '1s', '--yes')).toMatchObject({ code: 0 })
  })

  it('shows the help without a command, and the nearest command or option for a mistyped one', async () => {
    expect(await runCli([], { cwd })).toMatchObject({ code: 0, stdout: expect.stringContaining('migrate') as string, stderr: '' })
    expect(await runCli(['kv'], { cwd })).toMatchObject({ code: 0, stdout: expect.stringContaining('list') as string })
    for (const [args, meant] of [
      [['statsu'], 'status'], [['Migrate'], 'migrate'], [['kv', 'lst'], 'list'], [['index', 'raed'], 'read'], [['streams', '--limt', '5'], '--limit'], [['kv', 'list', '--jsn'], '--json'],
    ] as const) {
      expect(await runCli([...args], { cwd })).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(`did you mean ${meant}?`) as string })
    }
    expect(await runCli(['constructor'], { cwd })).toMatchObject({ code: 2, stderr: expect.stringContaining('unknown command "constructor"') as string })
  })

  it('shows control characters of users and obeys none', async () => {
    const evil = '\u001B]0;owned\u0007\u009B31m\u007F\u202Eabc\u2066\r\n\tx'
    const store = openStore({ connection: database.url })
    await store.stream.append(`evil:${evil}`, { type: evil, [evil]: evil, data: { [evil]: evil } })
    await store.index.add('evil', evil, 1, { [evil]: evil })
    await store.kv.set(evil, { [evil]: evil })
    await store.close()
    // eslint-disable-next-line no-control-regex
    const obeyed = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/
    for (const args of [
      ['streams'], ['tail', `evil:${evil}`, '--no-follow'], ['tail', 'evil:*', '--no-follow'], ['kv', 'list'], ['kv', 'get', evil], ['kv', 'get', `no ${evil}`],
      ['index', 'read', 'evil'], ['index', 'get', 'evil', evil], [evil], ['status', `--${evil}`], ['retention', '--subject', evil, '--max-age', '1d', '--dry-run'],
    ]) {
      for (const flags of [[], ['--json']]) {
        const { stdout, stderr } = await on(...args, ...flags)
        expect(stdout).not.toMatch(obeyed)
        expect(stderr).not.toMatch(obeyed)
      }
    }
    expect((await on('streams')).stdout).toContain('\\u001b]0;owned\\u0007')
    expect((await on('streams')).stdout.trim().split('\n')).toHaveLength(1)
    expect((await on('kv', 'get', evil, '--json')).json()).toMatchObject({ key: evil, value: { [evil]: evil } })
  })

  it('tells the status by its exit code: 3 for pending migrations and for drift', async () => {
    expect(await on('status')).toMatchObject({ code: 3, stdout: expect.stringContaining('pending') as string })
    await on('migrate')
    expect(await on('status')).toMatchObject({ code: 0, stdout: `version ${LATEST}, nothing is pending\nno drift\n` })
    await database.sql('drop index idx_nvent_kv_expires')
    expect(await on('status')).toMatchObject({ code: 3, stdout: expect.stringContaining('warn index idx_nvent_kv_expires is missing') as string })
    const status = await on('status', '--json')
    expect(status.code).toBe(3)
    expect(status.json()).toMatchObject({ version: LATEST, pending: [], drift: [{ object: 'index', name: 'idx_nvent_kv_expires', problem: 'missing' }] })
  })

  it('prints SQL that another tool can run, and the store works on what it made', async () => {
    const { stdout, code } = await runCli(['sql', '--schema', 'my schema', '--prefix', 'it\'s'], { cwd })
    expect(code).toBe(0)
    await database.sql(stdout)
    const store = openStore({ connection: database.url, schema: 'my schema', prefix: 'it\'s', autoMigrate: false })
    await store.kv.set('a', 1)
    await store.close()
    expect(await on('status', '--schema', 'my schema', '--prefix', 'it\'s')).toMatchObject({ code: 0 })
    expect((await on('sql', '--pending', '--schema', 'my schema', '--prefix', 'it\'s')).stdout).toBe('')
    expect((await on('sql', '--pending', '--json')).json<{ sql: string }>().sql).toContain('create table "public"."nvent_kv"')
  })

  it('reverts only what was confirmed', async () => {
    await on('migrate')
    expect(await on('rollback', '--to', '0')).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') as string })
    expect(await namesIn(database.sql, 'public')).toContain('nvent_kv')
    expect(await on('rollback', '--to', '0', '--yes')).toMatchObject({ code: 0, stdout: `went back from version ${LATEST} to 0\n` })
    expect(await namesIn(database.sql, 'public')).toEqual([])
    expect(await on('rollback', '--to', '0')).toMatchObject({ code: 0, stdout: 'already at version 0\n' })
  })

  it('shows streams, by glob and page, and their tables', async () => {
    await filled()
    const subjects = (await on('streams', '--json')).json<{ subject: string }[]>().map(({ subject }) => subject)
    expect(subjects).toEqual(['nvent:flow:run:r', 'orders:1', 'orders:2'])
    expect((await on('streams', 'orders:?', '--limit', '1', '--after', 'orders:1', '--json')).json()).toEqual([{ subject: 'orders:2', version: 1, lastTs: expect.any(Number) as number }])
    expect((await on('streams', 'o%')).stdout).toBe('')
    expect((await on('streams', '--tables', '--json')).json()).toMatchObject([
      { tableName: 'nvent_events_default', subjectPrefix: null, rows: 0 }, { tableName: 'nvent_stream_orders', subjectPrefix: 'orders', rows: 2 },
    ])
    expect((await on('streams', '--tables')).stdout).toMatch(/nvent_stream_orders\s+orders:\*/)
  })

  it('shows keys that are alive, and a stored null', async () => {
    await filled()
    expect((await on('kv', 'list', '--json')).json()).toEqual([
      { key: 'a:1', value: { deep: [1] }, expiresAt: null }, { key: 'a:2', value: null, expiresAt: expect.stringMatching(/Z$/) as string }, { key: 'b%', value: 'x', expiresAt: null },
    ])
    expect((await on('kv', 'list', 'b%')).stdout).toBe('b%\t"x"\n')
    expect(JSON.parse((await on('kv', 'get', 'a:1')).stdout)).toEqual({ deep: [1] })
    expect(await on('kv', 'get', 'a:2')).toMatchObject({ code: 0, stdout: 'null\n' })
    expect(await on('kv', 'get', 'a:gone')).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('no key "a:gone"') as string })
  })

  it('shows keys and streams of a schema that is behind, to a role that may read nothing else, with every digit', async () => {
    await filled()
    const role = `cli_reader_${database.name}`
    await database.sql(`insert into nvent_kv (key, value) values ('n:1', '12345678901234567890'), ('n:2', '0.10'), ('n:*', '{"a":1}')`)
    await database.sql('delete from nvent_schema_version where version = (select max(version) from nvent_schema_version)')
    await database.sql(`create role ${role} login password '${SECRET}'`)
    onTestFinished(async () => {
      await database.sql(`drop owned by ${role}`)
      await database.sql(`drop role ${role}`)
    })
    await database.sql(`grant usage on schema public to ${role}`)
    await database.sql(`grant select on nvent_kv, nvent_heads to ${role}`)
    const as = (...args: string[]) => runCli([...args, '--url', serverUrl(server, { database: database.name, user: role, password: SECRET })], { cwd })
    expect(await as('kv', 'list', 'n:*')).toMatchObject({ code: 0, stdout: 'n:*\t{"a": 1}\nn:1\t12345678901234567890\nn:2\t0.10\n' })
    expect((await as('kv', 'get', 'n:*', '--json')).json()).toEqual({ key: 'n:*', expiresAt: null, value: { a: 1 } })
    expect((await as('streams', 'orders:*', '--json')).json()).toMatchObject([{ subject: 'orders:1', version: 1 }, { subject: 'orders:2', version: 1 }])
    expect((await on('streams')).code).toBe(0)
  })

  it('shows index entries, page by page', async () => {
    await filled()
    expect((await on('index', 'get', 'orders', 'a', '--json')).json()).toEqual({ id: 'a', score: 1, metadata: { status: 'open', version: 0 } })
    expect(await on('index', 'get', 'orders', 'x')).toMatchObject({ code: 1, stdout: '' })
    const page = (await on('index', 'read', 'orders', '--limit', '1', '--json')).json<{ entries: unknown[], cursor: string }>()
    expect(page.entries).toEqual([{ id: 'b', score: 2 }])
    expect((await on('index', 'read', 'orders', '--cursor', page.cursor)).stdout).toBe('a\t1\t{"status":"open","version":0}\n')
    expect((await on('index', 'read', 'orders', '--asc', '--limit', '1')).stdout).toMatch(/^a\t/)
  })

  it('changes nothing when it only looks, and says what is missing', async () => {
    const before = await everything(database.sql)
    for (const command of [['status'], ['doctor'], ['sql', '--pending'], ['migrate', '--dry-run']]) await on(...command)
    for (const command of [['tail', 'a'], ['index', 'read', 'a']]) {
      expect(await on(...command)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('npx nvent-store migrate') as string })
    }
    expect(await everything(database.sql)).toEqual(before)
  })

  it('ends with 1 and no secret when the database refuses, and doctor with 3', async () => {
    const url = new URL(database.url)
    url.password = SECRET
    for (const [command, code] of [['status', 1], ['doctor', 3]] as const) {
      const result = await runCli([command, '--url', url.href], { cwd })
      expect(result.code).toBe(code)
      expect(result.stdout + result.stderr).not.toContain(SECRET)
      expect(result.stdout + result.stderr).toMatch(/password/)
    }
  })
})

describe('the command line', () => {
  it.each([
    ['an unknown command', ['frob'], 'unknown command "frob"'],
    ['an unknown option', ['status', '--frob'], 'unknown option --frob'],
    ['an option without its value', ['status', '--url'], '--url needs a value'],
    ['an option in the place of a value', ['kv', 'list', '--after', '--schema', 'other'], '--after needs a value'],
    ['an option in the place of a name', ['status', '--prefix', '--json'], '--prefix needs a value'],
    ['a missing argument', ['kv', 'get'], 'KEY'],
    ['too many arguments', ['kv', 'get', 'a', 'b'], 'unexpected argument "b"'],
    ['a missing option', ['rollback'], '--to'],
    ['no number', ['rollback', '--to', 'one'], '--to must be an integer'],
    ['no position', ['tail', 'a', '--from', 'yesterday'], '--from must be'],
  ])('refuses %s with 2', async (_, args, message) => {
    expect(await runCli(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) as string })
  })

  it('explains itself', async () => {
    expect(await runCli(['--help'])).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/migrate[\s\S]*rollback[\s\S]*doctor/) as string })
    expect(await runCli(['kv', 'get', '--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('KEY') as string })
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('works on the embedded database', async () => {
    const url = `pglite://${join(await emptyDirectory(), 'data')}`
    expect(await runCli(['migrate', '--url', url])).toMatchObject({ code: 0 })
    expect(await runCli(['status', '--url', url])).toMatchObject({ code: 0 })
    const doctor = await runCli(['doctor', '--url', url, '--json'])
    expect(doctor.code).toBe(0)
    expect(doctor.json<{ findings: { level: string }[] }>().findings.filter(({ level }) => level !== 'ok')).toEqual([])
    expect(await runCli(['rollback', '--to', '0', '--yes', '--url', url])).toMatchObject({ code: 0 })
  })
})
