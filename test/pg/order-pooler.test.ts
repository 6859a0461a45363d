import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../setup/eventually'
import type { Store } from '../../src/runtime/core/index'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { hasPgBouncer, startPgBouncer } from '../setup/pgbouncer'
import type { PgBouncer } from '../setup/pgbouncer'
import { servers } from './servers'

const range = (count: number) => Array.from({ length: count }, (_, at) => at)

describe.skipIf(!hasPgBouncer()).each(servers)('the global order behind a pooler in transaction mode, before $name', ({ server }) => {
  let database: Database
  let pooler: PgBouncer
  let store: Store

  beforeAll(async () => {
    database = await freshDatabase(server)
    pooler = await startPgBouncer(database.url, { default_pool_size: '8' })
    store = openStore({ connection: pooler.urlOf(database.url), prepare: false, poolSize: 20, listenConnection: database.url, pollInterval: 60_000 })
    await store.ready()
  })

  afterAll(async () => {
    await store.close()
    await pooler.stop()
  })

  it('skips nothing, and wakes subscriptions past the pooler', async () => {
    const subscribed: string[] = []
    await store.stream.subscribe('*', ({ id }) => void subscribed.push(id), { from: 'start' })
    let committing = true
    const committed: string[] = []
    const writers = range(12).map(async (writer) => {
      for (const round of range(60)) {
        await store.transaction(async (tx) => {
          const ids = []
          for (const at of range(1 + (round + writer) % 3)) {
            ids.push((await tx.stream.append(`orders:${writer}:${at}`, { type: 'a' })).id)
            if ((writer + round) % 7 === 0) await sleep(5)
          }
          if ((writer + round) % 10 === 0) throw new Error('rolled back')
          return ids
        }).then(ids => committed.push(...ids), () => {})
      }
    })
    const seen: string[] = []
    const reading = (async () => {
      for (let last = false; !last;) {
        last = !committing
        for await (const { event } of store.stream.readAll({ after: seen.at(-1) ?? '0' })) seen.push(event.id)
      }
    })()
    await Promise.all(writers)
    committing = false
    await reading
    const all = committed.sort((a, b) => Number(a) - Number(b))
    expect(seen).toEqual(all)
    await eventually(() => expect(subscribed).toEqual(all))
  })
})
