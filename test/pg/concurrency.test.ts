import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { compiled } from '../setup/compiled'
import { freshDatabase, hasServer, openStore } from '../setup/database'
import type { Database, Row } from '../setup/database'
import type { EventRecord } from '../../src/runtime/core/shared/event'
import type { Store } from '../../src/runtime/core/types'
import type { StoreInfo } from '../../src/runtime/core/schema/types'

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const together = <T>(count: number, call: (at: number) => Promise<T>): Promise<T[]> => Promise.all(range(count).map(call))
const sorted = (numbers: number[]): number[] => [...numbers].sort((a, b) => a - b)

// one of each: a column takes the counter, a jsonb column takes it, nothing does
const COUNTERS = [
  ['nvent:triggers', 'stats.totalFires'],
  ['nvent:flow:runs:busy', 'emittedEvents.count'],
  ['nvent:flows', 'custom.count'],
  ['orders', 'stats.count'],
] as const
const SUBJECTS = ['nvent:flow:run:busy', 'nvent:trigger:event:busy', 'orders:busy', 'no-prefix']

/** Starts a store when it is told to, appends an event and says what it found. */
const STARTER = `
  const { createStore } = await import(process.env.STARTER_STORE)
  const quiet = { info() {}, warn() {}, error() {} }
  process.stdout.write('loaded\\n')
  process.stdin.once('data', async () => {
    const store = createStore({ connection: process.env.STARTER_URL, logger: quiet })
    const info = await store.ready()
    await store.stream.append('starts:all', { type: 'started' })
    await store.close()
    process.stdout.write(JSON.stringify(info) + '\\n')
    process.exit(0)
  })
`

interface Head extends Row { version: string, last_ts: string }
interface EventRow extends Row { id: string, version: string, ts: string }

const SERVERS = [['PostgreSQL 18', 'pg18'], ['PostgreSQL 15', 'pg15']] as const

describe.each(SERVERS.filter(([, server]) => hasServer(server)))('concurrency on %s', (_name, server) => {
  let database: Database
  let store: Store
  let second: Store

  beforeAll(async () => {
    // transactions that wait for each other are told at once
    database = await freshDatabase(server, { settings: { deadlock_timeout: '20ms' } })
    store = openStore({ connection: database.url })
    second = openStore({ connection: database.url })
    await Promise.all([store.ready(), second.ready()])
  })

  /** Two stores with a pool each, turn and turn about. */
  const either = (at: number): Store => at % 2 === 0 ? store : second

  async function eventsOf(subject: string): Promise<EventRow[]> {
    const [, capture] = /^nvent:(?:flow:run|trigger:event):(.*)$/.exec(subject) ?? []
    const [table, column] = subject.startsWith('nvent:flow')
      ? ['nvent_flow_events', 'run_id']
      : subject.startsWith('nvent:trigger') ? ['nvent_trigger_events', 'trigger_name'] : ['nvent_events', 'subject']
    return database.sql<EventRow>(
      `select id, version, ts from ${table} where ${column} = $1 order by version`, [capture ?? subject],
    )
  }

  async function headOf(subject: string): Promise<Head | undefined> {
    const heads = await database.sql<Head>('select version, last_ts from nvent_heads where subject = $1', [subject])
    expect(heads.length).toBeLessThan(2)
    return heads[0]
  }

  /** Versions are 1 to n without holes, ids rise with them, time never runs back, and the head knows the last one. */
  async function expectWhole(subject: string): Promise<number> {
    const rows = await eventsOf(subject)
    expect(rows.map(row => Number(row.version))).toEqual(range(rows.length).map(at => at + 1))
    for (const [at, row] of rows.entries()) {
      const before = rows[at - 1]
      if (!before) continue
      expect(BigInt(row.id)).toBeGreaterThan(BigInt(before.id))
      expect(Number(row.ts)).toBeGreaterThanOrEqual(Number(before.ts))
    }
    const head = await headOf(subject)
    expect(Number(head?.version ?? 0)).toBe(rows.length)
    if (head && rows.length > 0) expect(Number(head.last_ts)).toBeGreaterThanOrEqual(Number(rows.at(-1)!.ts))
    return rows.length
  }

  describe('of updates', () => {
    it.each(COUNTERS)('keeps 50 parallel updateWithRetry of different keys of one entry in %s', async (key) => {
      await store.index.add(key, 'updates', 1, { stats: { kept: 1 }, subscriptions: { kept: {} } })
      await together(50, at => either(at).index.updateWithRetry(key, 'updates', {
        subscriptions: { [`flow-${at}`]: { mode: 'auto', at } },
        [`emittedEvents.step-${at}`]: at,
        stats: { [`own-${at}`]: at },
        [`plain-${at}`]: at,
      }))
      const of = (name: string, value: (at: number) => unknown) => Object.fromEntries(range(50).map(at => [`${name}-${at}`, value(at)]))
      expect(await store.index.get(key, 'updates')).toEqual({
        id: 'updates',
        score: 1,
        metadata: {
          version: 50,
          subscriptions: { kept: {}, ...of('flow', at => ({ mode: 'auto', at })) },
          emittedEvents: of('step', at => at),
          stats: { kept: 1, ...of('own', at => at) },
          ...of('plain', at => at),
        },
      })
    })

    it.each(COUNTERS)('counts 200 parallel increments of one entry in %s by %s', async (key, field) => {
      await store.index.add(key, 'counter', 1, {})
      const results = await together(200, at => either(at).index.increment(key, 'counter', field))
      expect(sorted(results)).toEqual(range(200).map(at => at + 1))
      const [parent, leaf] = field.split('.') as [string, string]
      expect((await store.index.get(key, 'counter'))?.metadata).toEqual({ version: 200, [parent]: { [leaf]: 200 } })
    })

    it.each(COUNTERS)('loses neither increments nor updates that meet in %s', async (key, field) => {
      await store.index.add(key, 'mixed', 1, { status: 'running' })
      const [parent, leaf] = field.split('.') as [string, string]
      await together<unknown>(120, at => at % 3 === 0
        ? either(at).index.update(key, 'mixed', { [parent]: { [`own-${at}`]: at }, status: 'busy' })
        : either(at).index.increment(key, 'mixed', field, 0.5))
      expect((await store.index.get(key, 'mixed'))?.metadata).toEqual({
        version: 120,
        status: 'busy',
        [parent]: { [leaf]: 40, ...Object.fromEntries(range(40).map(at => [`own-${at * 3}`, at * 3])) },
      })
    })

    it('lets exactly one of 20 updates with the same expected version through', async () => {
      for (const [key] of COUNTERS) {
        await store.index.add(key, 'versions', 1, {})
        for (const expectedVersion of range(5)) {
          const won = await together(20, at => either(at).index.update(key, 'versions', { at, round: expectedVersion }, { expectedVersion }))
          expect(won.filter(Boolean)).toHaveLength(1)
          expect((await store.index.get(key, 'versions'))?.metadata).toEqual({ at: won.indexOf(true), round: expectedVersion, version: expectedVersion + 1 })
        }
      }
    })

    it('waits in updateWithRetry for an entry that is added meanwhile', async () => {
      const waiting = together(10, at => either(at).index.updateWithRetry('nvent:flow:runs:late', 'late', { emittedEvents: { [`e${at}`]: at } }, 20))
      await store.index.add('nvent:flow:runs:late', 'late', 1, { status: 'running', emittedEvents: {} })
      await waiting
      expect((await store.index.get('nvent:flow:runs:late', 'late'))?.metadata).toEqual({
        version: 10, status: 'running', emittedEvents: Object.fromEntries(range(10).map(at => [`e${at}`, at])),
      })
    })

    it('leaves one of 40 parallel adds of one id, whole', async () => {
      for (const [key] of COUNTERS) {
        const metadataOf = (at: number) => ({ status: `s${at}`, stats: { [`own-${at}`]: at, total: at }, emittedEvents: { [`e${at}`]: at }, [`plain-${at}`]: at })
        await together(40, at => either(at).index.add(key, 'adds', at, metadataOf(at)))
        const entry = await store.index.get(key, 'adds')
        expect(entry).toEqual({ id: 'adds', score: entry!.score, metadata: { ...metadataOf(entry!.score), version: 0 } })
        expect((await store.index.read(key, { limit: 1000 })).filter(({ id }) => id === 'adds')).toEqual([entry])
      }
    })

    it('never brings an entry back that was deleted while it was updated', async () => {
      for (const round of range(40)) {
        const [key, field] = COUNTERS[round % COUNTERS.length]!
        await store.index.add(key, 'doomed', 1, { status: 'running' })
        const updates = together(6, at => either(at).index.update(key, 'doomed', { [parentOf(field)]: { [`own-${at}`]: at } }))
        const increments = together(3, at => either(at).index.increment(key, 'doomed', field).catch((error: { code: string }) => error.code))
        const deletes = together(3, at => either(at).index.delete(key, 'doomed'))
        expect((await deletes).filter(Boolean)).toHaveLength(1)
        for (const done of await updates) expect(done).toBeTypeOf('boolean')
        for (const result of await increments) if (typeof result === 'string') expect(result).toBe('NOT_FOUND')
        expect(await store.index.get(key, 'doomed')).toBeNull()
      }
    })

    it('leaves an entry of adds and deletes that meet either whole or not there', async () => {
      for (const round of range(40)) {
        const [key] = COUNTERS[round % COUNTERS.length]!
        const metadata = { status: 'whole', stats: { total: 1 }, emittedEvents: { a: 1 }, note: round }
        await Promise.all([
          together(4, at => either(at).index.add(key, 'flicker', 1, metadata)),
          together(4, at => either(at + 1).index.delete(key, 'flicker')),
        ])
        const entry = await store.index.get(key, 'flicker')
        if (entry) expect(entry).toEqual({ id: 'flicker', score: 1, metadata: { ...metadata, version: 0 } })
      }
    })

    it('counts 200 parallel kv increments of a key that was not there', async () => {
      const results = await together(200, at => either(at).kv.increment('counter'))
      expect(sorted(results)).toEqual(range(200).map(at => at + 1))
      expect(await store.kv.get('counter')).toBe(200)
    })
  })

  describe('of appends', () => {
    it.each(SUBJECTS)('gives 200 parallel appends to %s versions without holes', async (subject) => {
      const records = await together(200, at => either(at).stream.append(subject, { type: 'added', data: { at } }))
      expect(await expectWhole(subject)).toBe(200)
      const read = await second.stream.read(subject)
      const byId = [...records].sort((a, b) => BigInt(a.id) < BigInt(b.id) ? -1 : 1)
      expect(read).toEqual(byId)
      expect(sorted(read.map((event: EventRecord) => event.data.at as number))).toEqual(range(200))
    })

    it('makes one table for a type of subjects that many first appends ask for at once', async () => {
      const types = range(6).map(at => `fresh${at}`)
      await together(120, at => either(at).stream.append(`${types[at % 6]}:${at}`, { type: 'first', data: at }))
      for (const at of range(120)) expect((await store.stream.read(`${types[at % 6]}:${at}`)).map(event => event.data)).toEqual([at])
      const tables = await database.sql(
        `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'nvent_events'::regclass and c.relname like '%fresh%'`,
      )
      expect(tables).toHaveLength(6)
    })

    it.each(SUBJECTS)('leaves no event of %s without its head and no hole when deletes meet appends', async (subject) => {
      let cut = 0
      for (const round of range(25)) {
        const before = await expectWhole(subject)
        const appending = together(6, async (worker) => {
          for (const at of range(5)) await either(worker).stream.append(subject, { type: 'added', data: { round, worker, at } })
        })
        // a little later in every round, while the appends go on
        for (const _ of range(round % 5)) await store.stream.read(subject, { limit: 1 })
        await together(1 + round % 2, at => either(at).stream.delete(subject))
        await appending
        const left = await expectWhole(subject)
        expect(await second.stream.read(subject)).toHaveLength(left)
        if (left < before + 30) cut += 1
      }
      expect(cut).toBeGreaterThan(0)
      await store.stream.delete(subject)
      expect(await eventsOf(subject)).toEqual([])
      expect(await headOf(subject)).toBeUndefined()
      await store.stream.append(subject, { type: 'again' })
      expect((await eventsOf(subject)).map(row => row.version)).toEqual(['1'])
    })

    it('tells exactly one of two deletes that there was something', async () => {
      for (const round of range(20)) {
        const subject = `${SUBJECTS[round % SUBJECTS.length]}-twice`
        await store.stream.append(subject, { type: 'added' })
        expect((await together(4, at => either(at).stream.delete(subject))).filter(Boolean)).toHaveLength(1)
      }
    })

    it('keeps transactions that append to two subjects in opposite order whole', async () => {
      const subjects = ['nvent:flow:run:cross', 'orders:cross'] as const
      const outcomes = await together(24, at => either(at).transaction(async (tx) => {
        const [one, other] = at % 3 === 0 ? [subjects[1], subjects[0]] : subjects
        await tx.stream.append(one, { type: 'crossed', data: at })
        await tx.stream.append(other, { type: 'crossed', data: at })
        if (at % 4 === 1) throw new Error('changed my mind')
        return at
      }).catch((error: Error & { code?: string, retryable?: boolean }) => {
        // PostgreSQL ends one of two that wait for each other: trying again is the caller's
        if (error.message !== 'changed my mind') expect(error).toMatchObject({ name: 'StoreError', retryable: true })
        return undefined
      }))
      const committed = outcomes.filter(at => at !== undefined)
      for (const subject of subjects) {
        expect(await expectWhole(subject)).toBe(committed.length)
        expect(sorted((await store.stream.read(subject)).map(event => event.data as number))).toEqual(sorted(committed))
      }
    })
  })

  describe('of stores', () => {
    it('brings up eight processes that start at once on an empty database, and each migration runs once', async () => {
      const empty = await freshDatabase(server)
      const starters = range(8).map(() => spawn(
        process.execPath,
        ['--input-type=module', '--eval', STARTER],
        { env: { ...process.env, STARTER_STORE: compiled('src/runtime/core/index.ts'), STARTER_URL: empty.url }, stdio: ['pipe', 'pipe', 'pipe'] },
      ))
      try {
        const readers = starters.map(child => createInterface(child.stdout)[Symbol.asyncIterator]())
        const said = starters.map(() => '')
        for (const [at, child] of starters.entries()) {
          child.stderr.on('data', (chunk: Buffer) => {
            said[at] += String(chunk)
          })
        }
        const loaded = await Promise.all(readers.map(reader => reader.next()))
        expect(loaded.map(({ value }) => value as string), said.join('')).toEqual(range(8).map(() => 'loaded'))
        for (const child of starters) child.stdin.write('go\n')
        const answers = await Promise.all(readers.map(reader => reader.next()))
        expect(answers.map(({ done }) => done), said.join('')).toEqual(range(8).map(() => false))

        const infos = answers.map(({ value }) => JSON.parse(value as string) as StoreInfo)
        // Each migration is run by one of them, under the lock; the next one may be another's.
        expect(infos.reduce((sum, info) => sum + info.applied, 0)).toBe(infos[0]!.schemaVersion)
        expect(new Set(infos.map(info => info.schemaVersion)).size).toBe(1)
        const applied = await empty.sql('select version from nvent_schema_version')
        const started = await empty.sql<{ version: string }>('select version from nvent_events order by version')
        expect(applied).toHaveLength(infos[0]!.schemaVersion)
        expect(started.map(({ version }) => Number(version))).toEqual(range(8).map(at => at + 1))
      }
      finally {
        await Promise.all(starters.map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return
          child.kill('SIGKILL')
          await once(child, 'exit')
        }))
      }
    })

    it('does not mind a server that goes away just after close', async () => {
      const listeners = process.listeners('uncaughtException')
      const errors: Error[] = []
      process.removeAllListeners('uncaughtException')
      process.on('uncaughtException', error => errors.push(error))
      try {
        for (const _ of range(5)) {
          const closing = openStore({ connection: { connectionString: database.url, application_name: 'closing' } })
          await together(10, at => closing.kv.get(`closing:${at}`))
          await closing.close()
          await database.sql(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'closing'`)
          await sleep(20)
        }
      }
      finally {
        process.removeAllListeners('uncaughtException')
        for (const listener of listeners) process.on('uncaughtException', listener)
      }
      expect(errors.map(error => error.message)).toEqual([])
    })

    it('answers 500 calls at once with a pool of two', async () => {
      const small = openStore({ connection: { connectionString: database.url, application_name: 'small' }, poolSize: 2 })
      let most = 0
      let done = false
      const watching = (async () => {
        while (!done) {
          const [row] = await database.sql<{ count: number }>(
            `select count(*)::int as count from pg_stat_activity where datname = current_database() and application_name = 'small'`,
          )
          most = Math.max(most, row!.count)
        }
      })()
      try {
        await small.index.add('orders', 'pool', 1, {})
        const calls: ((at: number) => Promise<unknown>)[] = [
          at => small.stream.append('orders:pool', { type: 'called', data: at }),
          () => small.index.increment('orders', 'pool', 'count'),
          () => small.kv.increment('pool'),
          () => small.stream.read('orders:pool', { limit: 1 }),
          at => small.transaction(async (tx) => {
            await tx.kv.set(`pool:${at}`, at)
            return tx.kv.get(`pool:${at}`)
          }),
        ]
        const results = await together(500, at => calls[at % 5]!(at))
        expect(results.filter((_, at) => at % 5 === 4)).toEqual(range(100).map(at => at * 5 + 4))
        expect(await small.stream.read('orders:pool')).toHaveLength(100)
        expect(await expectWhole('orders:pool')).toBe(100)
        expect((await small.index.get('orders', 'pool'))?.metadata).toEqual({ version: 100, count: 100 })
        expect(await small.kv.get('pool')).toBe(100)
      }
      finally {
        done = true
        await Promise.all([watching, small.close()])
      }
      expect(most).toBe(2)
    })
  })
})

const parentOf = (field: string): string => field.split('.')[0]!
