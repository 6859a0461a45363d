import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { holdShard, moveShards } from '../../src/runtime/core/consumers/sql'
import type { Checkpoint, PlacedRow } from '../../src/runtime/core/consumers/sql'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import type { Statement } from '../../src/runtime/core/sql/statement'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import { freshDatabase, openStore } from '../setup/database'
import { planOf } from './plans'
import { servers } from './servers'

const SHARDS = 4
const MOVES = 3_000
const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(true), tenant: '' }

describe.each(servers)('the checkpoint of a consumer, on $name', ({ server }) => {
  it('reads as little after thousands of others that a foreign snapshot keeps the server from cleaning up', async () => {
    const database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    await store.stream.append('orders:1', { type: 'first' })
    const consumer = store.consume({ name: 'moved', shards: SHARDS, handler: () => {} })
    await consumer.runOnce()
    const foreign = new pg.Client({ connectionString: database.url })
    await foreign.connect()
    onTestFinished(() => foreign.end())
    await foreign.query('begin isolation level repeatable read')
    await foreign.query('select count(*) from nvent_consumer_shards')

    const run = async <R extends object>({ text, values }: Statement) => (await database.pool.query<R>(text, values as unknown[])).rows
    await database.sql('update nvent_consumer_shards set token = 1, position = 0')
    let checkpoints: Checkpoint[] = Array.from({ length: SHARDS }, (_, shard) => ({ shard, token: '1', from: BigInt(0), to: BigInt(1) }))
    for (let move = 1; move <= MOVES; move++) {
      const places = new Map((await run<PlacedRow>(moveShards(context, { consumer: 'moved', checkpoints }))).map(({ shard, place }) => [Number(shard), place]))
      expect(places.size).toBe(SHARDS)
      checkpoints = checkpoints.map(({ shard, token, to }) => ({ shard, token, from: to, to: to + BigInt(1), place: places.get(shard) }))
    }
    const [first, ...others] = checkpoints as [Checkpoint, ...Checkpoint[]]
    const blocksOf = async (statement: Statement) => (await planOf(database, statement)).blocks
    const atPlace = [holdShard(context, 'moved', first), moveShards(context, { consumer: 'moved', checkpoints: [first] }), moveShards(context, { consumer: 'moved', checkpoints: others })]
    for (const statement of atPlace) expect(await blocksOf(statement), statement.text).toBeLessThan(50)
    // Not because there is little to pass: by their keys the newest versions are found behind all others.
    const byKey = (checkpoint: Checkpoint): Checkpoint => ({ ...checkpoint, from: checkpoint.to, to: checkpoint.to + BigInt(1), place: undefined })
    for (const some of [[byKey(first)], others.map(byKey)]) expect(await blocksOf(moveShards(context, { consumer: 'moved', checkpoints: some }))).toBeGreaterThan(50)
    expect((await database.sql('select position from nvent_consumer_shards')).map(({ position }) => Number(position))).toEqual(Array.from({ length: SHARDS }, () => MOVES + 2))
  })
})
