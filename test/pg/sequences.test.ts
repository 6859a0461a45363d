import { beforeEach, describe, expect, it } from 'vitest'
import { doctor } from '../../src/runtime/core/doctor/doctor'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import type { Store } from '../../src/runtime/core/index'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'

const SCHEMA = 'My "Schema"'
const PREFIX = 'nq-Test'
const sequence = (name: string) => `'"My ""Schema"""."${PREFIX}_${name}"'`

describe('sequences behind their rows, as logical replication leaves them', () => {
  let database: Database
  const open = (options = {}) => openStore({ connection: database.url, schema: SCHEMA, prefix: PREFIX, ...options })
  const check = async () => (await doctor(fromPool(database.pool), namesOf(SCHEMA, PREFIX))).filter(each => each.check === 'sequences')

  beforeEach(async () => {
    database = await freshDatabase('pg18')
  })

  const kinds: { name: string, of: string, fill(store: Store): Promise<unknown> }[] = [
    { name: 'events_id_seq', of: 'generic events', fill: store => store.stream.append('orders:1', { type: 'x' }) },
    { name: 'events_id_seq', of: 'events of runs', fill: store => store.stream.append(`${PREFIX}:flow:run:1`, { type: 'x' }) },
    { name: 'events_id_seq', of: 'events of triggers', fill: store => store.stream.append(`${PREFIX}:trigger:event:1`, { type: 'x' }) },
    { name: 'events_id_seq', of: 'archived events', fill: async (store) => {
      await store.stream.append('orders:1', { type: 'x' })
      await store.stream.archive('orders:1')
    } },
    { name: 'entries_seq', of: 'generic entries', fill: store => store.index.add('orders', '1', 1) },
    { name: 'entries_seq', of: 'runs', fill: store => store.index.add(`${PREFIX}:flow:runs:a`, '1', 1) },
    { name: 'entries_seq', of: 'flows', fill: store => store.index.add(`${PREFIX}:flows`, '1', 1) },
    { name: 'entries_seq', of: 'triggers', fill: store => store.index.add(`${PREFIX}:triggers`, '1', 1) },
    { name: 'entries_seq', of: 'jobs', fill: store => store.index.add(`${PREFIX}:scheduler:jobs`, '1', 1) },
    { name: 'lease_tokens_seq', of: 'leases of consumers', fill: async (store) => {
      await store.consume({ name: 'mails', handler: () => {} }).runOnce()
      // As a process leaves them that is gone.
      await database.sql(`update "My ""Schema"""."${PREFIX}_consumer_shards" set owner = 'gone', token = shard + 1000, leased_until = now() where shard < 3`)
    } },
    { name: 'dead_letters_id_seq', of: 'dead letters', fill: async (store) => {
      for (const subject of ['poison:1', 'poison:2', 'poison:3']) await store.stream.append(subject, { type: 'x' })
      await store.consume({ name: 'letters', subjects: ['poison:*'], maxAttempts: 1, handler: () => Promise.reject(new Error('poison')) }).runOnce()
    } },
  ]

  it.each(kinds)('are mended at start: $name, $of', async ({ name, fill }) => {
    const store = open()
    for (let at = 0; at < 3; at++) await store.stream.append('before:1', { type: 'x' })
    await store.index.add('before', '1', 1)
    await fill(store)
    await database.sql(`select setval(${sequence(name)}, 1, false)`)
    expect(await check()).toMatchObject([{ level: 'fail', advice: expect.stringContaining('setval') as string }])
    expect(await store.admin.health()).toMatchObject({ status: 'down', checks: { sequences: { status: 'down', sequence: `${PREFIX}_${name}` } } })
    await store.close()
    await expect(open({ autoMigrate: false }).ready()).rejects.toMatchObject({ code: 'SCHEMA_BEHIND', message: expect.stringContaining('select pg_catalog.setval(') as string })
    const mended = open()
    await mended.ready()
    expect(await check()).toMatchObject([{ level: 'ok' }])
    expect((await mended.admin.health()).checks.sequences).toBeUndefined()
    const { id } = await mended.stream.append('after:1', { type: 'x' })
    const read: string[] = []
    for await (const { event } of mended.stream.readAll()) read.push(event.id)
    expect(read.at(-1)).toBe(id)
    await fill(mended).catch((error: { code: string }) => expect(error.code).toBe('ARCHIVED'))
  })

  it('are mended by the statement that doctor and the refused start give', async () => {
    const store = open()
    await store.stream.append('orders:1', { type: 'x' })
    await store.close()
    await database.sql(`select setval(${sequence('events_id_seq')}, 1, false)`)
    const [finding] = await check()
    await database.sql(finding!.advice)
    expect(await check()).toMatchObject([{ level: 'ok' }])
    await open({ autoMigrate: false }).ready()
  })

  it('that are ahead, or were never used, are left alone', async () => {
    await open().ready()
    expect(await check()).toMatchObject([{ level: 'ok' }])
    await database.sql(`select setval(${sequence('events_id_seq')}, 1000)`)
    const store = open()
    expect(Number((await store.stream.append('orders:1', { type: 'x' })).id)).toBeGreaterThan(1000)
  })
})
