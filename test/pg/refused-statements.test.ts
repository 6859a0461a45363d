import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

const failureOf = (call: Promise<unknown>) => call.then(() => expect.fail('resolved'), (error: { code: string }) => error)

describe.each(servers)('a statement that is refused on $name', ({ server }) => {
  let database: Database
  let store: Store
  const pidOf = async () => (await store.transaction(tx => tx.query<{ pid: number }>('select pg_backend_pid() as pid'))).rows[0]!.pid

  beforeAll(async () => {
    database = await freshDatabase(server)
    store = openStore({ connection: { connectionString: database.url, lock_timeout: 50 }, poolSize: 1 })
    await store.stream.append('orders:archived', { type: 'a' })
    await store.stream.archive('orders:archived')
    await store.kv.set('held', 1)
    await database.sql('alter table nvent_events add constraint mine check (type <> \'checked\')')
    await database.sql(`create function refuse() returns trigger language plpgsql as
      'begin if new.key = ''triggered'' then raise check_violation using message = ''not that key''; end if; return new; end'`)
    await database.sql('create trigger refuse before insert on nvent_kv for each row execute function refuse()')
  })

  const refused: [what: string, code: string, call: () => Promise<unknown>][] = [
    ['an append to an archived stream', 'ARCHIVED', () => store.stream.append('orders:archived', { type: 'b' })],
    ['many of them', 'ARCHIVED', () => store.stream.appendMany('orders:archived', [{ type: 'b' }, { type: 'c' }])],
    ['a constraint of the caller\'s', 'DATABASE', () => store.stream.append('orders:1', { type: 'checked' })],
    ['a trigger of the caller\'s', 'DATABASE', () => store.kv.set('triggered', 1)],
    ['a syntax error', 'DATABASE', () => store.transaction(tx => tx.query('select from from'))],
    ['a value of another type', 'INVALID_VALUE', () => store.transaction(tx => tx.query('select $1::int', ['one']))],
    ['more values than it names', 'INVALID_VALUE', () => store.transaction(tx => tx.query('select $1::int', [1, 2]))],
    ['more values than the protocol counts', 'INVALID_VALUE', () => store.transaction(tx => tx.query('select 1', Array.from({ length: 70_000 }, () => 1)))],
    ['a value that can\'t be sent', 'DATABASE', () => store.transaction(tx => tx.query('select $1::text', [{ toPostgres: () => { throw new Error('mine') } }]))],
  ]

  it.each(refused)('for %s says %s, and keeps its connection', async (_, code, call) => {
    const before = await pidOf()
    for (let run = 0; run < 5; run++) expect(await failureOf(call())).toMatchObject({ name: 'StoreError', code })
    expect(await pidOf()).toBe(before)
  })

  it('for a lock that does not come keeps its connection', async () => {
    const before = await pidOf()
    const holder = new pg.Client({ connectionString: database.url })
    await holder.connect()
    await holder.query('begin')
    await holder.query('select from nvent_kv where key = \'held\' for update')
    expect(await failureOf(store.kv.set('held', 2))).toMatchObject({ code: 'TIMEOUT', retryable: true })
    await holder.query('rollback')
    await holder.end()
    expect(await pidOf()).toBe(before)
  })

  it('for a table that was changed since it was prepared is sent again, and stays prepared', async () => {
    const before = await pidOf()
    await store.index.add('changed', 'a', 1)
    for (const type of ['real', 'double precision', 'real']) {
      expect(await store.index.get('changed', 'a')).toEqual({ id: 'a', score: 1 })
      await database.sql(`alter table nvent_index alter column score type ${type}`)
      expect(await store.index.get('changed', 'a')).toEqual({ id: 'a', score: 1 })
    }
    expect(await pidOf()).toBe(before)
    const names = await store.transaction(tx => tx.query<{ name: string }>('select name from pg_prepared_statements'))
    expect(names.rows.some(({ name }) => /^nvs_[0-9a-f]{24}_\d+$/.test(name))).toBe(true)
  })

  it('for such a table in a transaction ends it, and the next one works', async () => {
    const work = () => store.transaction(tx => tx.index.get('changed', 'a'))
    const before = await work()
    await database.sql('alter table nvent_index alter column score type double precision')
    expect(await failureOf(work())).toMatchObject({ code: 'DATABASE', retryable: true })
    expect(await work()).toEqual(before)
  })
})

describe.each(servers)('settings of the database on $name', ({ server }) => {
  const SETTINGS = {
    extra_float_digits: '0', standard_conforming_strings: 'off', array_nulls: 'off', default_transaction_isolation: 'serializable',
    intervalstyle: 'sql_standard', bytea_output: 'escape',
  }
  const NUMBER = 0.1 + 0.2
  onFileEnd(async () => {})

  async function use(store: Store): Promise<void> {
    await store.index.add('numbers', 'a', NUMBER, { n: NUMBER, text: 'a\\b' })
    expect(await store.index.increment('numbers', 'a', 'n', 0.7)).toBe(NUMBER + 0.7)
    expect(await store.index.get('numbers', 'a')).toMatchObject({ score: NUMBER, metadata: { n: NUMBER + 0.7, text: 'a\\b' } })
    await store.stream.appendMany('orders:1', [{ type: 'a', stepName: 'x' }, { type: 'b' }])
    expect((await store.stream.read('orders:1')).map(({ stepName }) => stepName)).toEqual(['x', undefined])
    await store.kv.set('a\\*', 1)
    expect(await store.kv.clear('a\\*')).toBe(1)
    await Promise.all(Array.from({ length: 100 }, (_, at) => Promise.all([
      store.kv.increment('count'), store.index.increment('numbers', 'a', 'n'), store.transaction(tx => tx.kv.increment(`count:${at % 3}`), { retries: 20 }),
      store.stream.append(`orders:${at % 5}`, { type: 'a' }), store.stream.delete(`gone:${at % 3}`),
    ])))
    expect(await store.kv.get('count')).toBe(100)
  }

  it('change nothing on connections of the store\'s own', async () => {
    const database = await freshDatabase(server, { settings: SETTINGS })
    await use(openStore({ connection: database.url }))
    await use(openStore({ connection: { connectionString: database.url, options: '-c jit=off' }, prefix: 'second' }))
  })

  it('are refused on a pool of the caller\'s when they change what is stored, with what to do', async () => {
    for (const [name, value] of Object.entries(SETTINGS).slice(0, 3)) {
      const database = await freshDatabase(server, { settings: { [name]: value } })
      const pool = new pg.Pool({ connectionString: database.url })
      onFileEnd(() => pool.end())
      expect(await failureOf(openStore({ pool }).ready())).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(`-c ${name}=`) as string })
      const fitting = new pg.Pool({ connectionString: database.url, options: `-c ${name}=${name === 'extra_float_digits' ? 1 : 'on'}` })
      onFileEnd(() => fitting.end())
      await openStore({ pool: fitting }).ready()
    }
  })

  it('of isolation cost time, and nothing else, on a pool of the caller\'s', async () => {
    const database = await freshDatabase(server, { settings: { default_transaction_isolation: 'serializable' } })
    const pool = new pg.Pool({ connectionString: database.url })
    onFileEnd(() => pool.end())
    await use(openStore({ pool }))
  })

  it.each(['LATIN1', 'SQL_ASCII'])('that hold no UTF-8 (%s) are refused', async (encoding) => {
    const name = `encoded_${encoding.toLowerCase()}_${server}`
    const database = await freshDatabase(server)
    await database.sql(`create database ${name} encoding '${encoding}' template template0 locale 'C'`)
    const url = Object.assign(new URL(database.url), { pathname: `/${name}` }).href
    const store = openStore({ connection: url })
    expect(await failureOf(store.ready())).toMatchObject({ code: 'INVALID_OPTION', retryable: false, message: expect.stringContaining(encoding) as string })
    await store.close()
    await database.sql(`drop database ${name} with (force)`)
  })
})
