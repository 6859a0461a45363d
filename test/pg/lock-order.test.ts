import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { indexSpecs } from '../../src/runtime/core/tables/builtin'
import { splitPatch } from '../../src/runtime/core/tables/metadata'
import { createRouter } from '../../src/runtime/core/tables/route'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import type { Statement } from '../../src/runtime/core/sql/statement'
import { addEntries, updateEntries } from '../../src/runtime/core/entries/sql'
import { incrementEntries } from '../../src/runtime/core/entries/increment'
import { clearValues, deleteValues, incrementValues, setValues } from '../../src/runtime/core/kv/sql'
import { lockHeads } from '../../src/runtime/core/stream/append/head'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(true), tenant: '' }
const route = createRouter(indexSpecs, 'nvent')('orders')
const entryOf = (id: string) => ({ route, id })

// In the order of their bytes, which is neither that of a language nor that of UTF-16 units.
const NAMES = ['B', '_', 'a', 'b', 'é', '\uFF5E', '\u{1F600}']
const HELD = 3
// The rows lie in another order, and so do the inputs.
const INPUTS = ['a', '\u{1F600}', '_', 'é', 'B', '\uFF5E', 'b']
const STORED = ['\uFF5E', 'b', 'B', '\u{1F600}', 'a', 'é', '_']

const STATEMENTS: [string, { table: string, column: string, of: () => Statement }][] = [
  ['kv.set', { table: 'nvent_kv', column: 'key', of: () => setValues(context, INPUTS.map(key => ({ key, json: '2', ttlSeconds: null }))) }],
  ['kv.increment', { table: 'nvent_kv', column: 'key', of: () => incrementValues(context, INPUTS.map(key => ({ key, by: 1 }))) }],
  ['kv.delete', { table: 'nvent_kv', column: 'key', of: () => deleteValues(context, INPUTS) }],
  ['kv.clear', { table: 'nvent_kv', column: 'key', of: () => clearValues(context, '*') }],
  ['index.add', { table: 'nvent_index', column: 'id', of: () => addEntries(context, INPUTS.map(id => ({ ...entryOf(id), score: 1, columns: [], rest: '{}' }))) }],
  ['index.update', { table: 'nvent_index', column: 'id', of: () =>
    updateEntries(context, INPUTS.map(id => ({ ...entryOf(id), patch: splitPatch(route.spec, { status: 'calm' }), times: 1, expectedVersion: undefined }))) }],
  ['index.increment', { table: 'nvent_index', column: 'id', of: () =>
    incrementEntries(context, INPUTS.map(id => ({ ...entryOf(id), field: 'n', path: ['n'], by: 1, times: 1 }))) }],
  ['stream.appendAll', { table: 'nvent_heads', column: 'subject', of: () => lockHeads(context, INPUTS, '1') }],
]
const PLANS = ['', '-c enable_nestloop=off', '-c enable_hashjoin=off -c enable_mergejoin=off', '-c enable_seqscan=off -c plan_cache_mode=force_generic_plan']

describe.each(servers)('rows are locked in the order of their keys on $name', ({ server }) => {
  let database: Database

  beforeAll(async () => {
    database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    await store.kv.setMany(STORED.map(key => ({ key, value: 1 })))
    for (const name of STORED) {
      await store.index.add('orders', name, 1, { n: 1 })
      await store.stream.append(name, { type: 'placed' })
    }
    await database.sql('analyze')
  })

  async function connect(options = ''): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: database.url, options })
    await client.connect()
    onFileEnd(() => client.end())
    return client
  }

  it.each(STATEMENTS)('by %s, whatever the plan', async (_name, { table, column, of }) => {
    const holder = await connect()
    for (const plan of PLANS) {
      const client = await connect(plan)
      const { rows: [backend] } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      await holder.query('begin')
      await holder.query(`select from ${table} where "${column}" = $1 for update`, [NAMES[HELD]])
      await client.query('begin')
      const sent = client.query(of())
      for (let waits = false; !waits; await sleep(5)) {
        waits = (await database.sql('select from pg_locks where pid = $1 and not granted', [backend!.pid])).length > 0
      }
      const left = await database.sql(`select "${column}" as name from ${table} for update skip locked`)
      expect(left.map(({ name }) => name as string).sort(byBytes), plan).toEqual(NAMES.slice(HELD + 1))
      await holder.query('rollback')
      await sent
      await client.query('rollback')
    }
  })
})

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
