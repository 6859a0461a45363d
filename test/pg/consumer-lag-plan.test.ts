import { describe, expect, it } from 'vitest'
import { readConsumers } from '../../src/runtime/core/consumers/adminSql'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import { freshDatabase, openStore } from '../setup/database'
import { planOf } from './plans'
import { servers } from './servers'

const PARTITIONS = 20
const EVENTS = 50_000
const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(true), tenant: '' }

describe.each(servers)('where a consumer stands, on $name', ({ server }) => {
  it('is read with as many blocks when everything waits for it as when little does', async () => {
    const database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    for (let type = 0; type < PARTITIONS; type++) await store.stream.append(`type${type}:1`, { type: 'first' })
    const consumer = store.consume({ name: 'behind', from: '1', handler: () => {} })
    await consumer.start()
    await consumer.whenCaughtUp()
    await consumer.stop()
    await database.sql(`insert into nvent_events (subject_prefix, subject, ts, type, version)
      select 'type' || n % ${PARTITIONS}, 'type' || n % ${PARTITIONS} || ':' || n / 1000, n, 'many', n from generate_series(1, ${EVENTS}) n`)
    await database.sql('vacuum analyze')
    const blocks: number[] = []
    for (const position of [1, EVENTS / 2, EVENTS]) {
      await database.sql('update nvent_consumer_shards set position = $1', [position])
      blocks.push((await planOf(database, readConsumers(context, 'behind'))).blocks)
    }
    expect(Math.max(...blocks)).toBeLessThan(PARTITIONS * 10)
  })
})
