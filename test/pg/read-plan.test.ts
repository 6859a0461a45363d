import { beforeAll, describe, expect, it } from 'vitest'
import { indexSpecs, streamSpecs } from '../../src/runtime/core/tables/builtin'
import { createRouter } from '../../src/runtime/core/tables/route'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import type { Statement } from '../../src/runtime/core/sql/statement'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import { readFilter } from '../../src/runtime/core/entries/filter'
import { getEntries } from '../../src/runtime/core/entries/sql'
import { getValues } from '../../src/runtime/core/kv/sql'
import { countEntries, readEntries, readMatchingEntries } from '../../src/runtime/core/entries/page'
import { readEvents } from '../../src/runtime/core/stream/read/sql'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { planOf } from './plans'
import { openPool, servers } from './servers'

const RUNS = 100_000
const FAILED = 40
// Reading all of so few rows is as cheap as an index to the planner, as long as none of them is dead.
const SMALL = 500
const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(true), tenant: '' }
const [RUNS_KEY, LARGE] = ['nvent:flow:runs:order', 'nvent:flow:run:large']
const runs = createRouter(indexSpecs, 'nvent')(RUNS_KEY)
const streamRoute = createRouter(streamSpecs, 'nvent')

describe.each(servers)('plans of reads on $name', ({ server }) => {
  let database: Database

  beforeAll(async () => {
    database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    await store.kv.setMany(Array.from({ length: SMALL }, (_, at) => ({ key: `key${at}`, value: { at } })))
    await Promise.all(Array.from({ length: SMALL }, (_, at) => store.stream.append(`nvent:flow:run:${at}`, { type: 'first' })))
    await database.sql(`insert into nvent_flow_runs (flow_name, run_id, score, status)
      select 'order', n, n, case when n % ${RUNS / FAILED} = 0 then 'failed' else 'completed' end from generate_series(1, ${RUNS}) n`)
    await database.sql(`insert into nvent_flow_events (tenant_id, id, version, ts, run_id, type)
      select '', ${SMALL} + n, n, n, 'large', 'same' from generate_series(1, ${RUNS}) n`)
    await database.sql('vacuum analyze')
  })

  async function usedBy(statement: Statement): Promise<{ types: string[], indexes: unknown[], blocks: number }> {
    const { nodes, blocks } = await planOf(database, statement)
    return { types: nodes.map(node => node['Node Type']), indexes: nodes.flatMap(node => node['Index Name'] ?? []), blocks }
  }

  it('finds the few runs that failed among many, in order', async () => {
    const { types, indexes, blocks } = await usedBy(readMatchingEntries(context, { route: runs, offset: 0, limit: 20 }, readFilter(runs.spec, { status: 'failed' })))
    expect(indexes).toEqual(['idx_nvent_flow_runs_ended'])
    expect(types).not.toContain('Sort')
    expect(blocks).toBeLessThan(100)
  })

  it.each([['one status', 'failed'], ['one of several', ['failed', 'cancelled']]])('counts few runs among many by %s', async (_, status) => {
    const { indexes, blocks } = await usedBy(countEntries(context, runs, readFilter(runs.spec, { status })))
    expect(indexes).toEqual(['idx_nvent_flow_runs_ended'])
    expect(blocks).toBeLessThan(100)
  })

  it.each([
    ['keys', () => getValues(context, ['key1', 'key2', 'key3', 'key4'])],
    ['entries', () => getEntries(context, ['1', '2', '3', '4'].map(id => ({ route: runs, id })))],
    ['pages', () => readEvents(context, ['1', '2', '3', '4'].map(id => ({ route: streamRoute(`nvent:flow:run:${id}`), range: { order: 'asc', limit: 50 } })))],
  ])('looks several %s up by an index, in a small table, too', async (_, statement) => {
    const { types } = await usedBy(statement())
    expect(types).toContain('Nested Loop')
    expect(types.filter(type => /Seq Scan|Hash/.test(type))).toEqual([])
  })

  it.each([
    ['entries', () => readEntries(context, [0, 1, 2, 3].map(offset => ({ route: runs, offset, limit: 20 })))],
    ['events', () => readEvents(context, [10, 20, 30, 40].map(limit => ({ route: streamRoute(LARGE), range: { order: 'desc', limit } })))],
  ])('lets the planner know how few %s a page holds', async (_, statement) => {
    const { nodes } = await planOf(database, statement())
    const limits = nodes.filter(node => node['Node Type'] === 'Limit').map(node => node['Plan Rows'])
    expect(limits.length).toBeGreaterThan(0)
    expect(Math.max(...limits)).toBeLessThanOrEqual(64)
  })

  it('does not plan a page of a large subject again for each call', async () => {
    const pool = openPool(database.url, 1)
    const store = openStore({ pool })
    const calls = {
      'nvent_flow_events': () => store.stream.read(LARGE, { limit: 20, order: 'desc' }),
      'score desc': () => store.index.read(RUNS_KEY, { limit: 20 }),
      'score, seq desc': () => store.index.readPage(RUNS_KEY, { limit: 20, order: 'asc' }),
    }
    for (const call of Object.values(calls)) for (let at = 0; at < 8; at++) expect(await call()).toBeTruthy()
    const { rows } = await pool.query(`select statement, generic_plans::int as kept from pg_prepared_statements where statement like '%limit%'`)
    expect(Object.keys(calls).map(part => rows.find(row => row.statement.includes(part))?.kept)).toEqual([3, 3, 3])
    await store.close()
    await pool.end()
  })
})
