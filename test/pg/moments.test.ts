import pg from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import type { TransactionApi } from '../../src/runtime/core/transaction/types'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

const subjects = ['orders:1', 'nvent:flow:run:r', 'nvent:trigger:event:t']

describe.each(servers)('calls that look at two places on $name', ({ server }) => {
  let database: Database
  let store: Store

  beforeEach(async () => {
    database = await freshDatabase(server)
    store = openStore({ connection: database.url })
    for (const subject of subjects) for (let at = 0; at < 5; at++) await store.stream.append(subject, { type: 'counted' })
  })

  /** Runs `work` in a transaction that stays open until `meanwhile` waits for it. */
  async function heldUntilWaiting<R>(work: (tx: TransactionApi) => Promise<unknown>, meanwhile: () => Promise<R>): Promise<R> {
    let waiting: Promise<R>
    await store.transaction(async (tx) => {
      await work(tx)
      waiting = meanwhile()
      await expect.poll(async () => (await database.sql('select from pg_stat_activity where datname = current_database() and wait_event_type = \'Lock\'')).length).toBe(1)
    })
    return await waiting!
  }

  const versionsOf = async (subject: string) => (await store.stream.read(subject, { archived: true })).length

  it.each(subjects)('truncateBefore(%s) beside an unarchive deletes each event before the version', async (subject) => {
    await store.stream.archive(subject)
    expect(await heldUntilWaiting(tx => tx.stream.unarchive(subject), () => store.stream.truncateBefore(subject, 4))).toBe(3)
    expect(await versionsOf(subject)).toBe(2)
  })

  it.each(subjects)('unarchive(%s) beside a truncateBefore brings all of the rest back', async (subject) => {
    await store.stream.archive(subject)
    expect(await heldUntilWaiting(tx => tx.stream.truncateBefore(subject, 4), () => store.stream.unarchive(subject))).toBe(true)
    expect((await store.stream.read(subject)).length).toBe(2)
    expect(await database.sql('select from nvent_events_archive')).toHaveLength(0)
  })

  it.each(subjects)('truncateBefore(%s) keeps no append waiting', async (subject) => {
    await store.transaction(async (tx) => {
      expect(await tx.stream.truncateBefore(subject, 4)).toBe(3)
      await openStore({ connection: database.url }).stream.append(subject, { type: 'counted' })
    })
    expect((await store.stream.read(subject)).length).toBe(3)
  })

  it.each(subjects)('current(%s) says version and position of one moment, whatever happens between statements', async (subject) => {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    onFileEnd(() => client.end())
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>
    let between = async (): Promise<unknown> => undefined
    client.query = (async (...args: unknown[]) => {
      await between()
      return query(...args)
    }) as typeof client.query
    const { current } = store.with(client).stream

    let newest: { id: string } | undefined
    let appended = 5
    between = async () => {
      newest = await store.stream.append(subject, { type: 'counted' })
      appended++
    }
    expect(await current(subject)).toMatchObject({ version: appended, position: newest!.id })

    let statements = 0
    between = async () => statements++ === 1 && store.stream.archive(subject)
    const before = await current(subject)
    expect(before!.archivedAt === undefined).toBe(before!.position !== null)

    await store.stream.unarchive(subject)
    statements = 0
    between = async () => statements++ === 1 && store.stream.delete(subject)
    expect(await current(subject)).toMatchObject({ version: appended, position: newest!.id })
  })
})
