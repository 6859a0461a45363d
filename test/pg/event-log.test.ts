import { beforeAll, describe, expect, it } from 'vitest'
import { versionOf } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const SUBJECTS = ['nvent:flow:run:busy', 'nvent:trigger:event:busy', 'orders:busy', 'no-prefix']
const MB = 2 ** 20

describe.each(servers)('the event log on $name', ({ server }) => {
  let database: Database
  let stores: Store[]

  beforeAll(async () => {
    // Transactions that wait for each other are told at once.
    database = await freshDatabase(server, { settings: { deadlock_timeout: '20ms' } })
    stores = [{}, { batching: false }].map(options => openStore({ connection: database.url, ...options }))
    await Promise.all(stores.map(store => store.ready()))
  })

  const storeOf = (at: number): Store => stores[at % stores.length]!
  const versionsOf = async (subject: string) => (await stores[0]!.stream.read(subject)).map(versionOf)

  it.each(SUBJECTS)('of two writers in two processes with the same expectation exactly one wins, every time: %s', async (subject) => {
    const pair = `${subject}-pair`
    for (const expectedVersion of range(60)) {
      const results = await Promise.allSettled(range(2).map(at => storeOf(at + expectedVersion).stream.append(pair, { type: 'a' }, { expectedVersion })))
      const failed = results.filter(result => result.status === 'rejected')
      expect(failed).toHaveLength(1)
      expect(failed[0]!.reason).toMatchObject({ code: 'VERSION_CONFLICT', details: { subject: pair, expected: expectedVersion, actual: expectedVersion + 1 } })
    }
    expect(await versionsOf(pair)).toEqual(range(60).map(at => at + 1))
  })

  it('of two batches for the same streams with the same expectations each stream has one winner', async () => {
    const rivals = [stores[0]!, openStore({ connection: database.url })]
    const subjects = range(20).map(at => `orders:rival-${at}`)
    for (const expectedVersion of range(8)) {
      const results = await Promise.allSettled(rivals.flatMap((store, turn) => (turn ? subjects : [...subjects].reverse())
        .map(async (subject) => {
          await store.stream.append(subject, { type: 'a' }, { expectedVersion })
          return subject
        })))
      const won = results.flatMap(result => result.status === 'fulfilled' ? [result.value] : [])
      expect(won.sort()).toEqual([...subjects].sort())
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'VERSION_CONFLICT', details: { actual: expectedVersion + 1 } })
      }
    }
    for (const subject of subjects) expect(await versionsOf(subject)).toEqual(range(8).map(at => at + 1))
  })

  it('sixteen writers that read, decide and try again lose nothing', async () => {
    const subject = 'orders:sixteen'
    let conflicts = 0
    await Promise.all(range(16).map(async (writer) => {
      for (let done = 0; done < 10;) {
        const { stream } = storeOf(writer)
        const version = (await stream.current(subject))?.version ?? 0
        await stream.append(subject, { type: 'a', data: { writer, done, version } }, { expectedVersion: version }).then(() => done++, (error: unknown) => {
          expect(error).toMatchObject({ code: 'VERSION_CONFLICT' })
          conflicts++
        })
      }
    }))
    const events = await stores[0]!.stream.read(subject)
    expect(events.map(event => (event.data as { version: number }).version)).toEqual(range(160))
    expect(conflicts).toBeGreaterThan(0)
  })

  it('a writer that waits for another one is told the version that one left', async () => {
    const subject = 'orders:waiting'
    await stores[0]!.stream.append(subject, { type: 'a' })
    let late: Promise<unknown> | undefined
    await stores[0]!.transaction(async (tx) => {
      await tx.stream.append(subject, { type: 'a' }, { expectedVersion: 1 })
      late = stores[1]!.stream.append(subject, { type: 'a' }, { expectedVersion: 1 }).catch((error: unknown) => error)
      await waitForLock()
    })
    expect(await late).toMatchObject({ code: 'VERSION_CONFLICT', details: { expected: 1, actual: 2 } })
  })

  it('an event id that is given while its first append is not committed yet waits for it, and gives its record', async () => {
    for (const subject of SUBJECTS) {
      const first = stores[0]!.stream.append(`${subject}-waiting`, { type: 'before' })
      await first
      let late: Promise<unknown> | undefined
      let record: unknown
      await stores[0]!.transaction(async (tx) => {
        record = await tx.stream.append(`${subject}-waiting`, { type: 'a' }, { eventId: 'same' })
        late = stores[1]!.stream.append(`${subject}-waiting`, { type: 'b' }, { eventId: 'same' })
        await waitForLock()
      })
      expect(await late).toEqual(record)
      expect(await versionsOf(`${subject}-waiting`)).toEqual([1, 2])
    }
  })

  it('the same event ids from two processes, alone, in batches and in transactions, are appended once', async () => {
    const subjects = SUBJECTS.map(subject => `${subject}-ids`)
    await Promise.all(range(160).map(async (at) => {
      const [subject, eventId] = [subjects[at % 4]!, `id-${Math.floor(at / 4) % 10}`]
      const append = (stream: Pick<Store['stream'], 'append' | 'appendAll'>): Promise<unknown> => at % 5 === 0
        ? stream.appendAll([{ subject, events: [{ type: 'a' }], eventIds: [eventId] }])
        : stream.append(subject, { type: 'a' }, { eventId })
      await (at % 3 === 0 ? storeOf(at).transaction(tx => append(tx.stream)) : append(storeOf(at).stream))
    }))
    for (const subject of subjects) expect(await versionsOf(subject)).toEqual(range(10).map(at => at + 1))
  })

  it('several subjects in opposite orders never deadlock, whatever form the appends have', async () => {
    const subjects = [...SUBJECTS, ...SUBJECTS.map(subject => `${subject}-2`)].map(subject => `${subject}-opposite`)
    const before = await deadlocks()
    await Promise.all(range(96).map(async (at) => {
      const { stream } = storeOf(at)
      const own = at % 2 ? subjects : [...subjects].reverse()
      if (at % 3 === 0) await stream.appendAll(own.map(subject => ({ subject, events: [{ type: 'a' }], expectedVersion: 'any' })))
      else if (at % 3 === 1) await stream.appendAll(own.map((subject, of) => ({ subject, events: [{ type: 'a' }], eventIds: [`${at}-${of}`] })))
      else await Promise.all(own.map((subject, of) => stream.append(subject, { type: 'a' }, of % 2 ? { expectedVersion: 'exists' } : undefined).catch(onlyConflicts)))
    }))
    expect(await deadlocks()).toBe(before)
    for (const subject of subjects) {
      const versions = await versionsOf(subject)
      expect(versions.length).toBeGreaterThanOrEqual(64)
      expect(versions).toEqual(versions.map((_, at) => at + 1))
    }
  })

  it('transactions that lock in opposite orders are run again until all are through', async () => {
    const subjects = ['orders:crossing-a', 'orders:crossing-b']
    await Promise.all(range(12).map(at => storeOf(at).transaction(async (tx) => {
      for (const subject of at % 2 ? subjects : [...subjects].reverse()) await tx.stream.append(subject, { type: 'a', data: at })
    }, { retries: 20 })))
    for (const subject of subjects) expect(await versionsOf(subject)).toEqual(range(12).map(at => at + 1))
  })

  it('serializable transactions that read what others write are run again until all are through', async () => {
    const [store] = stores as [Store]
    await store.kv.set('balance', 100)
    await Promise.all(range(8).map(at => storeOf(at).transaction(async (tx) => {
      const balance = await tx.kv.get<number>('balance')
      await tx.kv.set('balance', balance! - 10)
    }, { isolation: 'serializable', retries: 30 })))
    expect(await store.kv.get('balance')).toBe(20)
  })

  it('an archive waits for appends under way and takes them along; those that wait for it are refused', async () => {
    const subject = 'orders:closing'
    await stores[0]!.stream.append(subject, { type: 'a' })
    const outcomes = await Promise.allSettled(range(30).map(at => at === 15 ? stores[1]!.stream.archive(subject) : storeOf(at).stream.append(subject, { type: 'a' })))
    const appended = outcomes.filter((outcome, at) => at !== 15 && outcome.status === 'fulfilled').length
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ARCHIVED' })
    }
    expect(await stores[0]!.stream.read(subject)).toEqual([])
    expect(await stores[0]!.stream.read(subject, { archived: true })).toHaveLength(1 + appended)
  })

  it('iterates 400,000 events in constant memory', async () => {
    const count = 400_000
    await stores[0]!.stream.append('big:1', { type: 'first' })
    await database.sql(`insert into nvent_stream_big (subject_prefix, subject, ts, type, data, version)
      select 'big', 'big:1', 1, 'counted', jsonb_build_object('at', at, 'text', repeat('x', 100)), at from generate_series(2, ${count}) at`)
    await database.sql('update nvent_heads set version = $1 where subject = \'big:1\'', [count])
    await database.sql('analyze nvent_stream_big')
    const { heapUsed } = process.memoryUsage()
    let [seen, most] = [0, 0]
    for await (const event of stores[0]!.stream.iterate('big:1', { pageSize: 2_000 })) {
      seen++
      if (versionOf(event) !== seen) expect.fail(`version ${versionOf(event)} came as event ${seen}`)
      if (seen % 10_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed - heapUsed)
    }
    expect(seen).toBe(count)
    // All of them at once take more than 200 MB.
    expect(most / MB).toBeLessThan(100)
  })

  const onlyConflicts = (error: unknown) => expect(error).toMatchObject({ code: 'VERSION_CONFLICT' })

  async function deadlocks(): Promise<string> {
    const [row] = await database.sql<{ deadlocks: string }>('select deadlocks from pg_stat_database where datname = current_database()')
    return row!.deadlocks
  }

  /** Somebody's append waits for a row that somebody else has locked. */
  async function waitForLock(): Promise<void> {
    for (;;) {
      const [row] = await database.sql<{ waiting: boolean }>(`select count(*) > 0 as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%heads%'`)
      if (row!.waiting) return
    }
  }
})
