import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { doctor } from '../../src/runtime/core/doctor/doctor'
import type { DoctorOptions } from '../../src/runtime/core/doctor/doctor'
import { runCli } from '../setup/commandLine'
import { administer, freshDatabase, onFileEnd, openStore, serverUrl } from '../setup/database'
import type { Database } from '../setup/database'
import { useAll } from './calls'
import { openPool, servers } from './servers'

const quote = pg.escapeIdentifier
// The servers of the tests are faster than safe.
const OF_TEST_SERVERS = /^(?:fsync|full_page_writes) is off/

// Names that only work in quotes.
const [schema, prefix, name] = ['My "own" schema', 'It\'s "A" Shop', 'The "App" O\'Neil--']

describe.each(servers)('a role without rights on $name', ({ server }) => {
  let database: Database
  let role: string
  let url: string

  beforeEach(async () => {
    const [suffix, password] = [randomBytes(6).toString('hex'), randomBytes(12).toString('hex')]
    const made = `${name} ${suffix}`
    await administer(server, [`create role ${quote(made)} login password '${password}'`])
    onFileEnd(() => administer(server, [`drop role ${quote(made)}`]))
    role = made
    database = await freshDatabase(server, { name })
    url = serverUrl(server, { database: database.name, user: role, password })
    await database.sql(`revoke all on database ${quote(database.name)} from public`)
    await database.sql('revoke create on schema public from public')
    await database.sql(`grant connect on database ${quote(database.name)} to ${quote(role)}`)
  })

  const migrated = async () => {
    const store = openStore({ connection: database.url, schema, prefix })
    await store.stream.append('invoices:1', { type: 'sent' })
    await store.close()
  }
  const grant = (rights: string, on: string) => database.sql(`grant ${rights} on ${on} to ${quote(role)}`)
  const revoke = (rights: string, on: string) => database.sql(`revoke ${rights} on ${on} from ${quote(role)}`)
  const table = (of: string) => `${quote(schema)}.${quote(`${prefix}_${of}`)}`
  const withAll = async () => {
    await migrated()
    await grant('usage', `schema ${quote(schema)}`)
    await grant('select, insert, update, delete', `all tables in schema ${quote(schema)}`)
    await grant('select, usage', `all sequences in schema ${quote(schema)}`)
  }

  async function complaints(options: DoctorOptions = { autoMigrate: false }) {
    const pool = openPool(url)
    const findings = await doctor(fromPool(pool), { schema, prefix }, options).finally(() => pool.end())
    return findings.filter(({ level, message }) => level !== 'ok' && !OF_TEST_SERVERS.test(message))
  }

  /** One finding, whose SQL leaves none; then the store does all it does. */
  async function expectMended(message: RegExp, options?: DoctorOptions) {
    const found = await complaints(options)
    expect(found).toEqual([{ check: 'rights', level: 'fail', message: expect.stringMatching(message) as string, advice: expect.any(String) as string }])
    await database.sql(found[0]!.advice)
    expect(await complaints(options)).toEqual([])
    await useAll(openStore({ connection: url, schema, prefix, autoMigrate: false }))
    return found[0]!
  }

  it('is told all that is missing in one finding of doctor, with SQL that mends it', async () => {
    await migrated()
    const { advice } = await expectMended(/may not use the schema .*no right to delete, insert, select, update on .* and \d+ more; .*not looked at for want of rights: schema, drift, sequences, indexes$/s)
    expect(advice.split('\n').every(line => /^grant .*;$/.test(line))).toBe(true)
    // What the app has no need of is not granted.
    expect(await database.sql('select has_schema_privilege($1, $2, \'create\') as creates, has_table_privilege($1, $3, \'delete\') as deletes', [role, schema, table('schema_version')]))
      .toEqual([{ creates: false, deletes: false }])
  })

  it('is told the same when it may create tables', async () => {
    await migrated()
    await expectMended(/may not use the schema .*may not create tables/s, { autoMigrate: true })
  })

  it.each<[kind: string, take: () => Promise<unknown>, message: RegExp]>([
    ['usage of the schema', () => revoke('usage', `schema ${quote(schema)}`), /may not use the schema [^;]*; not looked at for want of rights: schema, drift, sequences, indexes$/],
    ['usage of the sequences', () => revoke('all', `all sequences in schema ${quote(schema)}`), /no right to select, usage on .*_events_id_seq, .*_inline_fence_seq; no right to usage on .*_entries_seq, .*_lease_tokens_seq; not looked at for want of rights: sequences$/],
    ['reading a sequence', () => revoke('select', `all sequences in schema ${quote(schema)}`), /^no right to select on .*_events_id_seq, .*_inline_fence_seq$/],
    ['writing', () => revoke('insert, update, delete', `all tables in schema ${quote(schema)}`), /^no right to delete, insert, update on [^;]*$/],
    ['reading the version', () => revoke('select', table('schema_version')), /^no right to select on .*_schema_version; not looked at for want of rights: schema, drift, sequences, indexes$/],
    ['one table', () => revoke('delete', table('kv')), /^no right to delete on .*_kv$/],
    ['reading events', () => revoke('select', table('events')), /^no right to select on .*_events; not looked at for want of rights: sequences$/],
    ['the archive', () => revoke('all', table('events_archive')), /^no right to delete, insert, select, update on .*_events_archive; not looked at for want of rights: sequences$/],
    ['a function', () => database.sql(`revoke execute on function ${table('merge_patch')} from public`), /^no right to execute on .*_merge_patch$/],
  ])('lacks %s: one finding, and SQL that mends it', async (_, take, message) => {
    await withAll()
    await take()
    await expectMended(message)
  })

  it('is told how to get a schema, and makes its tables there', async () => {
    const [found] = await complaints({ autoMigrate: true })
    expect(found).toMatchObject({ check: 'rights', level: 'fail', message: expect.stringContaining('is missing') as string })
    await database.sql(found!.advice)
    await useAll(openStore({ connection: url, schema, prefix }))
    expect(await complaints({ autoMigrate: true })).toEqual([])
  })

  it('is told to ask for the right to create where it has to make the tables', async () => {
    await database.sql(`create schema ${quote(schema)}`)
    await grant('usage', `schema ${quote(schema)}`)
    const [found] = await complaints({ autoMigrate: true })
    expect(found).toMatchObject({ check: 'rights', level: 'fail', message: expect.stringMatching(/may not create tables/) as string })
    await database.sql(found!.advice)
    await useAll(openStore({ connection: url, schema, prefix }))
    expect(await complaints({ autoMigrate: true })).toEqual([])
  })

  it('is told how to get the right to connect', async () => {
    await withAll()
    await revoke('connect', `database ${quote(database.name)}`)
    const [found, ...others] = await complaints()
    expect(others).toEqual([])
    expect(found).toMatchObject({ check: 'connection', level: 'fail', message: expect.stringContaining('permission denied') as string })
    await database.sql(found!.advice)
    expect(await complaints()).toEqual([])
  })

  it('is told by the command line what is missing, and what to do', async () => {
    await migrated()
    const on = (...args: string[]) => runCli([...args, '--url', url, '--schema', schema, '--prefix', prefix])
    const told = await on('doctor')
    expect(told.code).toBe(3)
    expect(told.stdout.match(/^✖/gm)).toHaveLength(/✖ settings/.test(told.stdout) ? told.stdout.match(/^✖ settings/gm)!.length + 1 : 1)
    expect(told.stdout).toContain(`✖ rights: ${role} may not use the schema`)
    const found = (await on('doctor', '--json')).json<{ findings: { check: string, level: string, advice: string }[] }>().findings.filter(({ check }) => check === 'rights')
    expect(found).toMatchObject([{ level: 'fail' }])
    for (const args of [['status', '--json'], ['kv', 'get', 'a'], ['streams', '--tables']]) {
      const { code, stdout, stderr } = await on(...args)
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: '' })
      expect(stderr).toContain(`${role} may not use the schema`)
      expect(stderr).toContain('nvent-store doctor')
    }
    await database.sql(found[0]!.advice)
    expect((await on('status')).code).toBe(0)
    expect((await on('doctor')).stdout).not.toMatch(/✖ (?!settings)/)
  })

  it('is told by every call which right is missing, and how to get it', async () => {
    await withAll()
    const store = openStore({ connection: url, schema, prefix, autoMigrate: false })
    await store.ready()
    await revoke('insert, update, delete', table('kv'))
    const refused = (right: string) => ({ code: 'DATABASE', message: expect.stringContaining(`no right to ${right}`) as string, details: { sqlState: '42501', role, grants: [expect.stringMatching(/^grant /) as string] } })
    await expect(store.kv.set('a', 1)).rejects.toMatchObject(refused('delete, insert, update'))
    await expect(store.transaction(tx => tx.kv.set('a', 1))).rejects.toMatchObject(refused('delete, insert, update'))
    const error = await store.kv.increment('a').catch((thrown: unknown) => thrown as { details: { grants: string[] } })
    await database.sql((error as { details: { grants: string[] } }).details.grants.join(';'))
    expect(await store.kv.increment('a')).toBe(1)
    await revoke('usage', `schema ${quote(schema)}`)
    await expect(store.stream.read('orders:1')).rejects.toMatchObject({ message: expect.stringContaining(`as the owner run: grant usage on schema ${quote(schema)} to ${quote(role)}`) as string })
    const health = await store.admin.health()
    expect(health).toMatchObject({
      status: 'down', checks: { database: { status: 'down', reason: expect.stringMatching(/lacks rights.*nvent-store doctor/) as string } },
      error: { message: expect.stringContaining('may not use the schema') as string },
    })
    await expect(openStore({ connection: url, schema, prefix, autoMigrate: false }).ready()).rejects.toMatchObject({ message: expect.stringContaining('may not use the schema') as string })
    await expect(store.admin.plan()).rejects.toMatchObject({ message: expect.stringContaining('may not use the schema') as string })
  })

  it('keeps the error of its own SQL, on tables that are not the store\'s', async () => {
    await withAll()
    await database.sql('create table secret (a int)')
    const store = openStore({ connection: url, schema, prefix, autoMigrate: false })
    await expect(store.transaction(tx => tx.query('select * from public.secret'))).rejects.toMatchObject({
      code: 'DATABASE', message: expect.not.stringContaining('no right to') as string, details: { sqlState: '42501' },
    })
  })
})
