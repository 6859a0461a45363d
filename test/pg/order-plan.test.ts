import { beforeAll, describe, expect, it } from 'vitest'
import { streamSpecs } from '../../src/runtime/core/tables/builtin'
import { createSelect } from '../../src/runtime/core/tables/select'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import { readGlobal } from '../../src/runtime/core/log/sql'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { planOf } from './plans'
import { servers } from './servers'

const PARTITIONS = 50
const EVENTS = 100_000
const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(true), tenant: '' }
const select = createSelect(streamSpecs, 'nvent')

describe.each(servers)('a page of the global order on $name', ({ server }) => {
  let database: Database

  beforeAll(async () => {
    database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    for (let type = 0; type < PARTITIONS; type++) await store.stream.append(`type${type}:1`, { type: 'first' })
    await database.sql(`insert into nvent_events (subject_prefix, subject, ts, type, version)
      select 'type' || n % ${PARTITIONS}, 'type' || n % ${PARTITIONS} || ':' || n / 1000, n, 'many', n from generate_series(1, ${EVENTS}) n`)
    await database.sql('vacuum analyze')
  })

  const pageAfter = (after: number, subjects?: string[]) => {
    const [selection] = select(subjects).filter(({ spec }) => spec.table === 'events')
    return planOf(database, readGlobal(context, selection!, { after: String(after), upTo: String(EVENTS + 1000), limit: 500 }))
  }

  it('merges scans of primary keys and touches as many blocks at the end as at the start', async () => {
    const first = await pageAfter(100)
    for (const after of [100, EVENTS / 2, EVENTS - 600]) {
      const { nodes, blocks } = await pageAfter(after)
      expect(nodes.map(node => node['Node Type'])).toContain('Merge Append')
      expect(nodes.filter(node => /Sort|Seq Scan|Bitmap/.test(node['Node Type']))).toEqual([])
      expect(blocks).toBeLessThan(first.blocks * 1.5)
    }
  })

  it.each([
    ['a subject', ['type7:50'], ['nvent_stream_type7']],
    ['a glob of a type', ['type7:*'], ['nvent_events_default', 'nvent_stream_type7']],
    ['a glob of two segments', ['type7:a:*'], ['nvent_events_default']],
  ])('reads only the tables that may hold %s', async (_, subjects, tables) => {
    const { nodes } = await pageAfter(100, subjects)
    expect(new Set(nodes.flatMap(node => node['Relation Name'] ?? []))).toEqual(new Set(tables))
  })
})
