import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import pg from 'pg'
import { eventually } from '../setup/eventually'
import { createStore } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/index'
import { pglite } from '../setup/backends'
import { administer, freshDatabase, hasServer } from '../setup/database'

const names = (from: number, to: number, name: string) => Array.from({ length: to - from + 1 }, (_, at) => `${name} ${from + at}`)

async function append(store: Store, subject: string, datas: string[]): Promise<void> {
  for (const data of datas) await store.stream.append(subject, { type: 'x', data })
}

/** What every kind of reader has seen of a store. */
async function followAll(store: Store, subject: string) {
  const seen: Record<string, unknown[]> = { subject: [], glob: [], loop: [] }
  await store.stream.subscribe(subject, ({ data }) => seen.subject!.push(data))
  await store.stream.subscribe(`${subject}*`, ({ data }) => seen.glob!.push(data))
  const abort = new AbortController()
  onTestFinished(() => abort.abort())
  void (async () => {
    for await (const { event } of store.stream.subscribe(subject, { from: 'start', signal: abort.signal })) seen.loop!.push(event.data)
  })()
  return seen
}

const log = () => ({ info: () => {}, warn: vi.fn(), error: () => {} })

describe.skipIf(!hasServer('pg18'))('a database that was put back to an earlier state, and has gone on from there', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>
  let logger: ReturnType<typeof log>

  const open = (pollInterval = 20) => {
    const store = createStore({ connection: database.url, logger, pollInterval, notify: false })
    onTestFinished(() => store.close())
    return store
  }

  beforeAll(() => {
    vi.setConfig({ testTimeout: 120_000 })
  })

  /** A database that is copied at one state, and replaced by the copy, after which others append to it, at another one. */
  async function replaced(subject: string, { before, lost, after }: { before: number, lost: number, after: number }) {
    database = await freshDatabase('pg18')
    logger = log()
    const reader = open()
    const writer = createStore({ connection: database.url, logger: log(), notify: false })
    await append(writer, subject, names(1, before, 'shared'))
    await writer.close()
    const copy = `${database.name}_copy`
    const asTemplate = async (statements: string[]) => {
      await administer('pg18', [
        `alter database ${pg.escapeIdentifier(database.name)} allow_connections false`,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = ${pg.escapeLiteral(database.name)}`,
      ])
      await eventually(() => administer('pg18', statements))
    }
    await asTemplate([`create database ${pg.escapeIdentifier(copy)} template ${pg.escapeIdentifier(database.name)}`])
    await administer('pg18', [`alter database ${pg.escapeIdentifier(database.name)} allow_connections true`])
    const errors: unknown[] = []
    const changes: unknown[] = []
    reader.admin.on('history:changed', change => changes.push(change))
    await reader.ready()
    const seen = await followAll(reader, subject)
    await append(reader, subject, names(1, lost, 'lost'))
    await eventually(() => expect(seen.glob).toHaveLength(lost))
    await eventually(() => expect(seen.subject).toHaveLength(lost))
    return {
      reader, seen, changes, errors,
      async replace() {
        await asTemplate([`drop database ${pg.escapeIdentifier(database.name)}`])
        // Appended before the reader can look.
        const other = createStore({ connection: database.url.replace(database.name, copy), logger: log(), notify: false })
        await append(other, subject, names(1, after, 'later'))
        await other.close()
        await administer('pg18', [`alter database ${pg.escapeIdentifier(copy)} rename to ${pg.escapeIdentifier(database.name)}`])
      },
    }
  }

  it('gives subscribers everything that was committed since, whatever ids it has', async () => {
    const { reader, seen, changes, replace } = await replaced('a:1', { before: 5, lost: 10, after: 25 })
    await replace()
    const later = names(1, 25, 'later')
    await eventually(() => Object.values(seen).forEach(list => expect(list.slice(-25)).toEqual(later)))
    expect(seen.subject!.filter(data => String(data).startsWith('lost'))).toEqual(names(1, 10, 'lost'))
    expect(changes).toEqual([{ position: '15', shared: '5' }])
    expect(logger.warn).toHaveBeenCalledWith(expect.stringContaining('gone back from event 15 to 5'))
    // A client that comes back with the id of an event that is gone.
    const resumed: unknown[] = []
    await reader.stream.subscribe('a:1', ({ data }) => resumed.push(data), { from: '15' })
    await eventually(() => expect(resumed).toEqual(later))
  })

  it('gives them what comes when it has fewer events than they have seen', async () => {
    const { reader, seen, replace } = await replaced('a:1', { before: 5, lost: 10, after: 0 })
    await replace()
    const resumed: unknown[] = []
    await eventually(() => reader.stream.subscribe('a:1', ({ data }) => resumed.push(data), { from: '15' }))
    await append(reader, 'a:1', names(1, 3, 'later'))
    await eventually(() => Object.values(seen).forEach(list => expect(list.slice(-3)).toEqual(names(1, 3, 'later'))))
    await eventually(() => expect(resumed).toEqual(names(1, 3, 'later')))
  })

  it('gives them events of subjects that had none, below positions where there was nothing for them', async () => {
    const { reader, replace } = await replaced('a:1', { before: 5, lost: 10, after: 25 })
    const quiet: unknown[] = []
    await reader.stream.subscribe('b:*', ({ data }) => quiet.push(data))
    await replace()
    await eventually(() => append(reader, 'b:1', ['b']))
    await eventually(() => expect(quiet).toEqual(['b']))
  })

  it('is read whole by a readAll that was under way', async () => {
    const { reader, replace } = await replaced('a:1', { before: 5, lost: 1_500, after: 1_600 })
    const read: unknown[] = []
    let isReplaced = false
    for await (const { event } of reader.stream.readAll()) {
      read.push(event.data)
      if (read.length === 700) {
        await replace()
        isReplaced = true
        await eventually(() => reader.kv.get('a'))
      }
    }
    expect(isReplaced).toBe(true)
    expect(read.slice(-1_600)).toEqual(names(1, 1_600, 'later'))
  })

  it('is noticed without any new connection, when rows were put back in place', async () => {
    database = await freshDatabase('pg18')
    logger = log()
    // It looks once an hour: when it is woken.
    const reader = open(3_600_000)
    await append(reader, 'a:1', names(1, 5, 'shared'))
    const seen = await followAll(reader, 'a:1')
    await append(reader, 'a:1', names(1, 10, 'lost'))
    await eventually(() => Object.values(seen).forEach(list => expect(list.at(-1)).toBe('lost 10')))
    await database.sql('delete from nvent_events where id > 5')
    await database.sql('update nvent_heads set version = 5')
    await database.sql('select setval(\'nvent_events_id_seq\', 5)')
    const other = createStore({ connection: database.url, logger: log(), notify: false })
    await append(other, 'a:1', names(1, 19, 'later'))
    await other.close()
    await append(reader, 'a:1', ['later 20'])
    await eventually(() => Object.values(seen).forEach(list => expect(list.slice(-20)).toEqual(names(1, 20, 'later'))))
  })

  it('is not taken for one when events were deleted, or its connections were lost', async () => {
    database = await freshDatabase('pg18')
    logger = log()
    const reader = open()
    await append(reader, 'a:1', names(1, 5, 'old'))
    const seen = await followAll(reader, 'a:1')
    await append(reader, 'a:1', names(1, 5, 'new'))
    await eventually(() => Object.values(seen).forEach(list => expect(list.at(-1)).toBe('new 5')))
    await reader.stream.truncateBefore('a:1', 8)
    await append(reader, 'a:2', ['other'])
    await reader.stream.delete('a:1')
    await administer('pg18', [`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${pg.escapeLiteral(database.name)}`])
    await eventually(() => append(reader, 'a:1', ['last']))
    await eventually(() => Object.values(seen).forEach(list => expect(list.at(-1)).toBe('last')))
    expect(seen).toEqual({ subject: [...names(1, 5, 'new'), 'last'], glob: [...names(1, 5, 'new'), 'last'], loop: [...names(1, 5, 'old'), ...names(1, 5, 'new'), 'last'] })
    expect(logger.warn.mock.calls.flat().join()).not.toContain('gone back')
  })
})

it('a database that is embedded and put back in place is noticed, too', async () => {
  const { store, sql } = await pglite.open({ pollInterval: 3_600_000 })
  await append(store, 'a:1', names(1, 3, 'shared'))
  const seen: unknown[] = []
  await store.stream.subscribe('a:1', ({ data }) => seen.push(data))
  await append(store, 'a:1', names(1, 5, 'lost'))
  await eventually(() => expect(seen).toHaveLength(5))
  await store.transaction(async (tx) => {
    await tx.query('delete from nvent_events where id > 3')
    await tx.query('update nvent_heads set version = 3')
    await tx.query('select setval(\'nvent_events_id_seq\', 3)')
    for (const data of names(1, 8, 'later')) await tx.stream.append('a:1', { type: 'x', data })
  })
  await eventually(() => expect(seen.slice(-8)).toEqual(names(1, 8, 'later')))
  expect(await sql('select 1 as one')).toEqual([{ one: 1 }])
})
