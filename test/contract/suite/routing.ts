import { describe, expect, it } from 'vitest'
import { metadataOf, unique } from './context'
import type { Row, Use } from './context'

const T = 1763647200123
const ISO = '2026-02-03T04:05:06.789Z'
const MS = Date.parse(ISO)

/** Every flat column of the routing table: a path of the metadata and its value, the column and what it holds then. */
const indexRoutes: { table: string, key: (P: string, rest: string) => string, keyColumn?: string, id: string, columns: [path: string, value: unknown, column: string, held: unknown][] }[] = [
  {
    table: 'flow_runs', key: (P, rest) => `${P}:flow:runs:${rest}`, keyColumn: 'flow_name', id: 'run_id',
    columns: [
      ['status', 'running', 'status', 'running'], ['startedAt', T, 'started_at', T], ['completedAt', ISO, 'completed_at', MS],
      ['stepCount', 3, 'step_count', 3], ['completedSteps', 0, 'completed_steps', 0], ['lastActivityAt', 0, 'last_activity_at', 0],
      ['emittedEvents', { a: { b: T } }, 'emitted_events', { a: { b: T } }], ['awaitingSteps', {}, 'awaiting_steps', {}],
    ],
  },
  {
    table: 'flows', key: P => `${P}:flows`, id: 'flow_name',
    columns: [
      ['displayName', 'My flow', 'display_name', 'My flow'], ['flowVersion', 2, 'flow_version', 2], ['registeredAt', T, 'registered_at', T],
      ['lastRunAt', ISO, 'last_run_at', MS], ['stats.total', 1, 'stats_total', 1], ['stats.success', 2, 'stats_success', 2],
      ['stats.failure', 3, 'stats_failure', 3], ['stats.running', 4, 'stats_running', 4], ['stats.awaiting', 5, 'stats_awaiting', 5],
      ['stats.cancel', 2 ** 40, 'stats_cancel', 2 ** 40],
    ],
  },
  {
    table: 'triggers', key: P => `${P}:triggers`, id: 'trigger_name',
    columns: [
      ['type', 'webhook', 'type', 'webhook'], ['status', 'active', 'status', 'active'], ['scope', 'flow', 'scope', 'flow'], ['source', 'code', 'source', 'code'],
      ['displayName', 'Hook', 'display_name', 'Hook'], ['description', '', 'description', ''], ['registeredAt', ISO, 'registered_at', MS],
      ['lastActivityAt', ISO, 'last_activity_at', MS], ['stats.totalFires', 1, 'stats_total_fires', 1], ['stats.lastFiredAt', ISO, 'stats_last_fired_at', MS],
      ['stats.totalFlowsStarted', 2, 'stats_total_flows_started', 2], ['stats.activeSubscribers', 3, 'stats_active_subscribers', 3],
      ['subscriptions', { flow: { mode: 'auto' } }, 'subscriptions', { flow: { mode: 'auto' } }], ['webhook', { path: '/x' }, 'webhook', { path: '/x' }],
      ['schedule', { cron: '* * * * *' }, 'schedule', { cron: '* * * * *' }], ['config', { a: [1] }, 'config', { a: [1] }],
    ],
  },
  {
    table: 'scheduler_jobs', key: P => `${P}:scheduler:jobs`, id: 'job_id',
    columns: [
      ['name', 'n', 'name', 'n'], ['jobName', 'j', 'job_name', 'j'], ['type', 'cron', 'type', 'cron'], ['cron', '* * * * *', 'cron', '* * * * *'],
      ['interval', 60000, 'interval', 60000], ['executeAt', T, 'execute_at', T], ['timezone', 'UTC', 'timezone', 'UTC'], ['enabled', false, 'enabled', false],
      ['schedule', 's', 'schedule', 's'], ['scheduledAt', T, 'scheduled_at', T], ['lastRunAt', ISO, 'last_run_at', MS], ['nextRunAt', T + 1, 'next_run_at', T + 1],
      ['status', 'pending', 'status', 'pending'], ['metadata', { a: 1 }, 'metadata', { a: 1 }], ['config', {}, 'config', {}],
    ],
  },
]

const streamRoutes: { table: string, subject: (P: string, rest: string) => string, keyColumn: string, event: Row, columns: Row }[] = [
  {
    table: 'flow_events', subject: (P, rest) => `${P}:flow:run:${rest}`, keyColumn: 'run_id',
    event: { type: 'step.started', flowName: 'f', stepName: 's', stepId: 'i', attempt: 2, data: { a: [null] } },
    columns: { type: 'step.started', flow_name: 'f', step_name: 's', step_id: 'i', attempt: 2, data: { a: [null] } },
  },
  {
    table: 'trigger_events', subject: (P, rest) => `${P}:trigger:event:${rest}`, keyColumn: 'trigger_name',
    event: { type: 'fired', data: 0 }, columns: { type: 'fired', data: 0 },
  },
  {
    table: 'events', subject: (_, rest) => `nq:flow:${rest}`, keyColumn: 'subject',
    event: { type: 'step.started', runId: 'r', flowName: 'f', stepName: 's', stepId: 'i', attempt: 2, data: false },
    columns: { type: 'step.started', run_id: 'r', flow_name: 'f', step_name: 's', step_id: 'i', attempt: 2, data: false },
  },
]

/** `bigint` arrives as a text. */
const numeric = (value: unknown) => typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value

export function routingSuite(use: Use): void {
  describe.each(indexRoutes)('the index table $table', ({ table: name, key: keyFor, keyColumn, id: idColumn, columns }) => {
    async function rowOf(key: string, id: string): Promise<Row> {
      const { sql, table } = use()
      const rows = await sql(`select * from ${table(name)} where "${idColumn}" = $1`, [id])
      expect(rows, key).toHaveLength(1)
      return Object.fromEntries(Object.entries(rows[0]!).map(([column, value]) => [column, numeric(value)]))
    }

    it('holds key, id, score and every flat column, and gives all of it back', async () => {
      const { store, P } = use()
      const rest = unique('with:colons')
      const [key, id] = [keyFor(P, rest), unique()]
      await store.index.add(key, id, 1.5, Object.fromEntries([...columns.map(([path, value]) => [path, value]), ['unknown', { kept: true }]]))
      expect(await rowOf(key, id)).toMatchObject({
        tenant_id: '', [idColumn]: id, ...(keyColumn && { [keyColumn]: rest }), score: 1.5, version: 0,
        ...Object.fromEntries(columns.map(([, , column, held]) => [column, held])),
      })
      const metadata: Row = { unknown: { kept: true } }
      for (const [path, value] of columns) {
        const [first, second] = path.split('.') as [string, string?]
        metadata[first] = second ? { ...metadata[first] as Row, [second]: value } : value
      }
      expect(await metadataOf(store, key, id)).toStrictEqual(metadata)
    })

    it.each(columns)('%s: update writes the column, and null empties it', async (path, value, column, held) => {
      const { store, P } = use()
      const [key, id] = [keyFor(P, unique()), unique()]
      await store.index.add(key, id, 1, {})
      expect((await rowOf(key, id))[column], 'not written, not there').toBeNull()
      await store.index.update(key, id, { [path]: value })
      expect(await rowOf(key, id)).toMatchObject({ [column]: held, version: 1 })
      await store.index.update(key, id, { [path]: null })
      expect((await rowOf(key, id))[column]).toBeNull()
    })

    it.each(columns.filter(([, , , held]) => typeof held === 'number'))('%s: increment counts in the column', async (path, _value, column) => {
      const { store, P } = use()
      const [key, id] = [keyFor(P, unique()), unique()]
      await store.index.add(key, id, 1, {})
      await store.index.increment(key, id, path, 2 ** 33)
      expect(await rowOf(key, id)).toMatchObject({ [column]: 2 ** 33, version: 1 })
    })

    it.each(columns)('%s: a value the column can\'t take is kept all the same', async (path, value, column) => {
      const { store, P } = use()
      const [key, id] = [keyFor(P, unique()), unique()]
      for (const odd of [[value], 'not a time', { not: 'usual' }, 1.5, true, 'x'.repeat(5000)]) {
        await store.index.add(key, id, 1, { [path]: odd })
        const added = await store.index.get(key, id)
        await store.index.add(key, id, 1, { [path]: value })
        await store.index.update(key, id, { [path]: [] })
        await store.index.update(key, id, { [path]: odd })
        const updated = await store.index.get(key, id)
        const at = (entry: typeof added) => path.split('.').reduce<unknown>((inner, name) => (inner as Row)[name], entry!.metadata)
        expect(at(added)).toStrictEqual(odd)
        expect(at(updated)).toStrictEqual(odd)
        const { [column]: held } = await rowOf(key, id)
        expect([null, odd]).toContainEqual(held)
      }
    })
  })

  describe('columns of index tables', () => {
    it('a time written as a number is read as a number, written as an ISO text is read as that text', async () => {
      const { store, sql, table, P } = use()
      const id = unique()
      const texts = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00Z', '2026-01-01T05:45:00+05:45', '1969-12-31T23:59:59.999Z']
      for (const value of [...texts, 0, 1767225600000, -1]) {
        await store.index.add(`${P}:flows`, id, 1, { registeredAt: value })
        await store.index.update(`${P}:flows`, id, { lastRunAt: value })
        expect(await metadataOf(store, `${P}:flows`, id)).toStrictEqual({ registeredAt: value, lastRunAt: value })
        const rows = await sql<{ at: number }>(
          `select registered_at::double precision as at, last_run_at = registered_at as same from ${table('flows')} where flow_name = $1`, [id])
        expect(rows).toStrictEqual([{ at: new Date(value).getTime(), same: true }])
      }
    })

    it('trigger_type is the type of a trigger, whichever of both names it was written under', async () => {
      const { store, sql, table, P } = use()
      for (const [metadata, type] of [[{ type: 'webhook' }, 'webhook'], [{ triggerType: 'event' }, 'event'], [{ type: 'a', triggerType: 'b' }, 'a'], [{}, null]] as const) {
        const id = unique()
        await store.index.add(`${P}:triggers`, id, 1, metadata)
        expect(await metadataOf(store, `${P}:triggers`, id)).toStrictEqual(metadata)
        expect(await sql(`select trigger_type from ${table('triggers')} where trigger_name = $1`, [id])).toStrictEqual([{ trigger_type: type }])
      }
    })

    it('SQL finds what the documented partial indexes are for', async () => {
      const { store, sql, table, P } = use()
      const key = `${P}:flow:runs:${unique()}`
      await store.index.add(key, 'a', 1, { status: 'running', startedAt: T })
      await store.index.add(key, 'b', 1, { status: 'completed', startedAt: T })
      const rows = await sql(`select run_id from ${table('flow_runs')} where flow_name = $1 and status in ('running', 'awaiting')`, [key.split(':').at(-1)])
      expect(rows).toStrictEqual([{ run_id: 'a' }])
    })
  })

  describe.each(streamRoutes)('the stream table $table', ({ table: name, subject: subjectFor, keyColumn, event, columns }) => {
    it('holds key, id, ts, version and every flat column', async () => {
      const { store, sql, table, P } = use()
      const rest = unique('with:colons')
      const subject = subjectFor(P, rest)
      const record = await store.stream.append(subject, { type: 'first' }).then(() => store.stream.append(subject, event as { type: string }))
      const [row] = await sql(`select * from ${table(name)} where id = $1::bigint`, [record.id])
      const held = Object.fromEntries(Object.entries(row!).map(([column, value]) => [column, numeric(value)]))
      expect(held).toMatchObject({
        tenant_id: '', id: Number(record.id), ts: record.ts, version: 2, created_at: expect.any(Date), ...columns,
        [keyColumn]: name === 'events' ? subject : rest,
      })
      expect(Math.abs((held.created_at as Date).getTime() - record.ts)).toBeLessThan(60_000)
    })
  })

  describe('which table serves a subject or key', () => {
    const generic: [what: string, name: (P: string, rest: string) => string][] = [
      ['another first segment', (_, rest) => `other:flow:run:${rest}`],
      ['a route inside a name', (_, rest) => `a:flow:run:b${rest}`],
      ['a route after something', (P, rest) => `x${P}:flow:run:${rest}`],
      ['other case', (P, rest) => `${P.toUpperCase()}x:FLOW:RUN:${rest}`],
      ['half a route', (P, rest) => `${P}:flow:${rest}`],
      ['a segment that only starts alike', (P, rest) => `${P}:flow:runner:${rest}`],
      ['a spelling where a dot is any character', (P, rest) => `${P.replaceAll('.', '_')}:flow-run:${rest}`],
    ]

    it.each([...generic, ['a route with nothing in its place', P => `${P}:flow:run:`] as typeof generic[number]])('a stream subject with %s is generic', async (_, nameOf) => {
      const { store, sql, table, P } = use()
      const subject = nameOf(P, unique())
      const { id } = await store.stream.append(subject, { type: 'routed' })
      expect(await sql(`select subject from ${table('events')} where id = $1::bigint`, [id])).toStrictEqual([{ subject }])
      expect(await store.stream.delete(subject)).toBe(true)
    })

    it.each([
      ...generic,
      ['a route for streams', (P, rest) => `${P}:flow:run:${rest}`] as typeof generic[number],
      ['something after a route', (P, rest) => `${P}:flows:${rest}`] as typeof generic[number],
    ])('an index key with %s is generic', async (_, nameOf) => {
      const { store, sql, table, P } = use()
      const key = nameOf(P, unique())
      await store.index.add(key, 'a', 2, { status: 'x', a: { b: 1 } })
      const rows = await sql(`select tenant_id, key, id, score, metadata, version::int from ${table('index')} where key = $1`, [key])
      expect(rows).toStrictEqual([{ tenant_id: '', key, id: 'a', score: 2, metadata: { status: 'x', a: { b: 1 } }, version: 0 }])
    })

    it('a flow name that looks like a route is a flow name', async () => {
      const { store, sql, table, P } = use()
      const name = `a:flow:run:${unique()}:${P}:flow:runs:b\n`
      await store.index.add(`${P}:flow:runs:${name}`, 'r', 1)
      expect(await sql(`select run_id from ${table('flow_runs')} where flow_name = $1`, [name])).toStrictEqual([{ run_id: 'r' }])
      const { id } = await store.stream.append(`${P}:flow:run:${name}`, { type: 'a' })
      expect(await sql(`select run_id from ${table('flow_events')} where id = $1::bigint`, [id])).toStrictEqual([{ run_id: name }])
    })

    it('every key of the key-value tier is kept as given, with its value and expiry', async () => {
      const { store, sql, table, P } = use()
      const key = `${P}:flows:${unique()}`
      await store.kv.set(key, { a: [1] }, 60)
      const rows = await sql(`select tenant_id, key, value, expires_at > now() as live from ${table('kv')} where key = $1`, [key])
      expect(rows).toStrictEqual([{ tenant_id: '', key, value: { a: [1] }, live: true }])
      await store.kv.set(key, 0)
      expect(await sql(`select value, expires_at from ${table('kv')} where key = $1`, [key])).toStrictEqual([{ value: 0, expires_at: null }])
    })
  })
}
