import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../setup/eventually'
import type { EventRecord, Store } from '../../src/runtime/core/index'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

// Longer than any test: who polls that seldom has to be woken.
const NEVER_MS = 10 * 60_000
const range = (count: number) => Array.from({ length: count }, (_, at) => at)

describe.each(servers)('subscriptions on $name', ({ server }) => {
  let database: Database
  let writer: Store

  beforeAll(async () => {
    database = await freshDatabase(server)
    writer = openStore({ connection: database.url })
    await writer.ready()
  })

  /** A store of another process, as far as the database can tell. */
  const openReader = (options: StoreOptions = {}): Store => {
    const store = openStore({ connection: database.url, pollInterval: NEVER_MS, ...options })
    onTestFinished(() => store.close())
    return store
  }

  const listeners = () => database.sql<{ pid: number }>(
    'select pid from pg_stat_activity where datname = current_database() and query like \'listen %\'',
  )
  const killListener = async () => {
    const [listener] = await listeners()
    await database.sql('select pg_terminate_backend($1)', [listener!.pid])
    return listener!.pid
  }

  it('are woken by what other processes append, alone, many at once, and in transactions', async () => {
    const reader = openReader()
    const seen: EventRecord[] = []
    await reader.stream.subscribe('woken:1', event => seen.push(event))
    await eventually(async () => expect(await listeners()).toHaveLength(1))
    const written = [await writer.stream.append('woken:1', { type: 'a' })]
    await eventually(() => expect(seen).toEqual(written))
    written.push(...await writer.stream.appendMany('woken:1', [{ type: 'b' }, { type: 'c' }]))
    await eventually(() => expect(seen).toEqual(written))
    written.push(await writer.transaction(tx => tx.stream.append('woken:1', { type: 'd' })))
    await eventually(() => expect(seen).toEqual(written))
  })

  it('share one connection that listens, and the reading, however many there are', async () => {
    const reader = openReader({ poolSize: 3 })
    const seen = range(1000).map((): string[] => [])
    const subscriptions = await Promise.all(seen.map((list, at) =>
      reader.stream.subscribe(at % 10 === 9 ? `shared:*${at % 100}` : `shared:${at % 100}`, event => list.push(event.data))))
    await eventually(async () => expect(await listeners()).toHaveLength(1))
    for (const round of range(3)) await writer.stream.append('shared:7', { type: 'a', data: `seven ${round}` })
    await writer.stream.append('shared:99', { type: 'a', data: 'last' })
    const expected = (at: number) => at % 100 === 7 ? range(3).map(round => `seven ${round}`) : [9, 99].includes(at % 100) ? ['last'] : []
    await eventually(() => expect(seen).toEqual(range(1000).map(expected)))
    expect(await listeners()).toHaveLength(1)
    await Promise.all(subscriptions.map(subscription => subscription.unsubscribe()))
    await eventually(async () => expect(await listeners()).toEqual([]))
  })

  it('read new events once for all of them', async () => {
    const reader = openReader()
    const reads = async () => Number((await database.sql<{ count: string }>(
      'select sum(idx_scan)::text as count from pg_stat_user_tables where relname = \'nvent_stream_once\'',
    ))[0]!.count)
    await writer.stream.append('once:0', { type: 'makes the table' })
    const seen: unknown[] = []
    const subscriptions = await Promise.all(range(500).map(() => reader.stream.subscribe('once:*', event => seen.push(event.data))))
    await writer.stream.append('once:1', { type: 'a', data: 'warm' })
    await eventually(() => expect(seen).toHaveLength(500))
    await sleep(1500)
    const before = await reads()
    await writer.stream.append('once:1', { type: 'a', data: 'b' })
    await eventually(() => expect(seen).toHaveLength(1000))
    await Promise.all(subscriptions.map(subscription => subscription.unsubscribe()))
    await sleep(1500)
    expect(await reads() - before).toBeLessThan(20)
  })

  it('catch up when the connection that listens was lost', async () => {
    const reader = openReader()
    const seen: EventRecord[] = []
    await reader.stream.subscribe('lost:*', event => seen.push(event))
    await eventually(async () => expect(await listeners()).toHaveLength(1))
    const written: EventRecord[] = []
    for (const round of range(5)) {
      const killed = await killListener()
      // Nobody listens while this is appended.
      written.push(await writer.stream.append('lost:1', { type: 'a', data: round }))
      await eventually(() => expect(seen).toEqual(written))
      await eventually(async () => {
        const [listener] = await listeners()
        expect(listener!.pid).not.toBe(killed)
      })
    }
  })

  it('to a subject do not wait for transactions on others; those to globs do, and keep the order', async () => {
    const reader = openReader({ pollInterval: 20 })
    const [one, all]: [unknown[], unknown[]] = [[], []]
    await reader.stream.subscribe('quick:1', event => one.push(event.data))
    await reader.stream.subscribe('*', event => all.push(event.data))
    let commit = () => {}
    let began = () => {}
    const open = new Promise<void>((resolve) => {
      commit = resolve
    })
    const hasBegun = new Promise<void>((resolve) => {
      began = resolve
    })
    onTestFinished(() => commit())
    const slow = writer.transaction(async (tx) => {
      await tx.stream.append('slow:1', { type: 'a', data: 'slow' })
      began()
      await open
    })
    await hasBegun
    for (const data of [1, 2, 3]) {
      await writer.stream.append('quick:1', { type: 'a', data })
      await eventually(() => expect(one).toHaveLength(data))
    }
    expect(all).toEqual([])
    commit()
    await slow
    await writer.stream.append('quick:1', { type: 'a', data: 4 })
    await eventually(() => expect(all).toEqual(['slow', 1, 2, 3, 4]))
    await eventually(() => expect(one).toEqual([1, 2, 3, 4]))
  })

  it('poll where notifications are switched off, and no process listens or notifies', async () => {
    const reader = openReader({ notify: false, pollInterval: 20 })
    const seen: EventRecord[] = []
    await reader.stream.subscribe('polled:1', event => seen.push(event))
    const event = await writer.stream.append('polled:1', { type: 'a' })
    await eventually(() => expect(seen).toEqual([event]))
    expect(await listeners()).toEqual([])
  })

  it('listen where `listenConnection` leads', async () => {
    const url = new URL(database.url)
    url.searchParams.set('application_name', 'listener of its own')
    const reader = openReader({ listenConnection: url.href })
    const seen: EventRecord[] = []
    await reader.stream.subscribe('elsewhere:1', event => seen.push(event))
    await eventually(async () => expect(await database.sql(
      'select 1 from pg_stat_activity where application_name = \'listener of its own\' and query like \'listen %\'',
    )).toHaveLength(1))
    const event = await writer.stream.append('elsewhere:1', { type: 'a' })
    await eventually(() => expect(seen).toEqual([event]))
  })

  it.each([['a subject', 'handed:1'], ['a glob', 'handed*']])('to %s hand over from history to live under load, without hole or repeat', async (_, subject) => {
    const reader = openReader()
    let writing = true
    const written: string[] = []
    const write = async (at: number) => {
      while (writing) {
        written.push(...await writer.transaction(async (tx) => {
          const ids = [(await tx.stream.append('handed:1', { type: 'a', data: at })).id]
          if (at === 0) await sleep(3)
          return ids
        }))
      }
    }
    const writers = range(4).map(write)
    await eventually(() => expect(written.length).toBeGreaterThan(300))
    const before = written.length
    const lists: string[][] = []
    for (const follower of range(5)) {
      // Each of them begins somewhere else in the traffic; every second one is slow.
      const own: string[] = []
      lists.push(own)
      await reader.stream.subscribe(subject, async ({ id }) => {
        own.push(id)
        if (follower % 2 === 1 && own.length % 50 === 0) await sleep(5)
      }, { from: 'start' })
      await sleep(150)
    }
    writing = false
    await Promise.all(writers)
    const all = (await writer.stream.read('handed:1')).map(({ id }) => id)
    expect(all.length).toBeGreaterThan(before)
    await eventually(() => lists.forEach(own => expect(own).toHaveLength(all.length)))
    for (const own of lists) expect(own).toEqual(all)
  })

  it('go on when the database has gone back to before their position', async () => {
    const gone = await freshDatabase(server)
    const store = openStore({ connection: gone.url, pollInterval: 20 })
    await store.stream.appendMany('back:1', range(50).map(data => ({ type: 'old', data })))
    const seen: unknown[] = []
    await store.stream.subscribe('back:*', event => seen.push(event.data))
    await store.stream.append('back:1', { type: 'lost', data: 'lost' })
    await eventually(() => expect(seen).toEqual(['lost']))
    // What a server that takes over may look like when it has not heard of the last events.
    await gone.sql('delete from nvent_events where id > 20')
    await gone.sql('update nvent_heads set version = 20')
    await gone.sql('select setval(\'nvent_events_id_seq\', 20)')
    await sleep(200)
    await store.stream.append('back:1', { type: 'new', data: 'new' })
    await eventually(() => expect(seen).toEqual(['lost', 'new']))
    await store.close()
  })
})
