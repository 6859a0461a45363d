import { describe, expect, it } from 'vitest'
import type { RetentionRule } from '../../../src/runtime/core/index'
import { failureOf, wrong } from './context'
import type { Context, Use } from './context'

const HOUR_MS = 3_600_000

/** One subject for each kind of table, by the name its events go by here. */
const subjects = (P: string) => ({
  own: 'orders:1', deeper: 'orders:eu:1', other: 'carts:1', single: 'single', run: `${P}:flow:run:1`, trigger: `${P}:trigger:event:1`,
})

export function retentionSuite(use: Use): void {
  /** Ten events in every subject; the first `old` of them are two hours old. */
  async function filled(retention: RetentionRule[], old = 6): Promise<Context> {
    const context = await use().openReady({ retention, retentionInterval: 0 })
    const { store, sql, table, P } = context
    for (const subject of Object.values(subjects(P))) {
      await store.stream.appendMany(subject, Array.from({ length: 10 }, (_, at) => ({ type: 'counted', data: at + 1, runId: '1', note: `n${at + 1}` })))
    }
    for (const events of ['events', 'flow_events', 'trigger_events']) {
      await sql(`update ${table(events)} set ts = ts - ${2 * HOUR_MS} where version <= ${old}`)
    }
    return context
  }

  const dataOf = async ({ store }: Context, subject: string) => (await store.stream.read(subject)).map(event => event.data as number)
  const remaining = async (context: Context) => Object.fromEntries(await Promise.all(
    Object.entries(subjects(context.P)).map(async ([name, subject]) => [name, (await dataOf(context, subject)).length])))

  describe('retention', () => {
    it.each<[pattern: string, touched: string[]]>([
      ['*', ['own', 'deeper', 'other', 'single', 'run', 'trigger']],
      ['orders:*', ['own', 'deeper']],
      ['orders:?', ['own']],
      ['orders:eu:*', ['deeper']],
      ['o*1', ['own', 'deeper']],
      ['*s:1', ['own', 'other']],
      ['single', ['single']],
      ['sing*', ['single']],
      ['{P}:*', ['run', 'trigger']],
      ['{P}:flow:run:*', ['run']],
      ['{P}:flow:run:1', ['run']],
      ['{P}:flow:r*', ['run']],
      ['{P}:trigger:event:?', ['trigger']],
      ['nobody:*', []],
    ])('takes what is older than maxAge out of %s', async (pattern, touched) => {
      const subject = pattern.replace('{P}', use().P)
      const context = await filled([{ subject, maxAge: '1h', action: 'drop' }])
      const report = await context.store.admin.retention.run()
      expect(report).toMatchObject({ busy: false, events: 6 * touched.length, rules: [{ subject, action: 'drop', events: 6 * touched.length }] })
      expect(await remaining(context)).toStrictEqual(Object.fromEntries(
        Object.keys(subjects('')).map(name => [name, touched.includes(name) ? 4 : 10])))
      expect(await context.store.admin.retention.run()).toMatchObject({ events: 0 })
    })

    it.each(['*', 'orders:*', '*:1'])('keeps the newest maxCount events of each subject of %s', async (subject) => {
      const context = await filled([{ subject, maxCount: 3, action: 'drop' }])
      await context.sql(`delete from ${context.table('events')} where subject = 'orders:1' and version in (8, 9)`)
      await context.store.admin.retention.run()
      expect(await dataOf(context, 'orders:1')).toStrictEqual([6, 7, 10])
      expect(await dataOf(context, 'orders:eu:1')).toStrictEqual([8, 9, 10])
      expect(await dataOf(context, `${context.P}:flow:run:1`)).toHaveLength(subject === 'orders:*' ? 10 : 3)
    })

    it('takes out what either of maxAge and maxCount says, by the first rule that says so', async () => {
      const context = await filled([
        { subject: 'orders:*', maxAge: HOUR_MS, maxCount: 2, action: 'archive' },
        { subject: '*', maxCount: 5, action: 'drop' },
      ])
      const report = await context.store.admin.retention.run()
      expect(report.rules.map(({ events }) => events)).toStrictEqual([16, 20])
      expect(await remaining(context)).toStrictEqual({ own: 2, deeper: 2, other: 5, single: 5, run: 5, trigger: 5 })
    })

    it('changes no id, version or time of what remains, and appending goes on after it', async () => {
      const context = await filled([{ subject: '*', maxAge: '1h', action: 'drop' }], 10)
      const { store, sql, table, P } = context
      const young = await store.stream.append('orders:1', { type: 'young' })
      await store.admin.retention.run()
      expect(await store.stream.read('orders:1')).toStrictEqual([young])
      expect(await store.stream.read('single')).toStrictEqual([])
      await store.stream.append('single', { type: 'next' })
      await store.stream.append(`${P}:flow:run:1`, { type: 'next' })
      expect(await sql(`select subject, version::integer from ${table('events')} order by subject`)).toStrictEqual([
        { subject: 'orders:1', version: 11 }, { subject: 'single', version: 11 },
      ])
      expect(await sql(`select version::integer from ${table('flow_events')}`)).toStrictEqual([{ version: 11 }])
      expect(await store.stream.read('orders:1', { after: '0' })).toStrictEqual([young])
    })

    it('archives whole events: nothing of them is lost', async () => {
      const context = await use().openReady({ retention: [{ subject: '*', maxCount: 1, action: 'archive' }], retentionInterval: 0 })
      const { store, sql, table, P } = context
      const odd = { data: { deep: [null, 0, ''] }, extra: null, list: [1], runId: 'another', attempt: 1.5 }
      const all = [odd, { data: null, flowName: 'f', attempt: 2 }, {}]
      const records = new Map<string, unknown>()
      for (const subject of Object.values(subjects(P))) {
        for (const event of all) {
          const record = await store.stream.append(subject, { type: 'kept', ...event })
          if (event !== all.at(-1)) records.set(record.id, { subject, ...record })
        }
      }
      await store.admin.retention.run()
      const rows = await sql<{ id: string, subject: string, ts: string, type: string, record: Record<string, unknown> }>(
        `select id::text, subject, ts::text, type, record from ${table('events_archive')} order by subject, version`)
      expect(rows.map(({ id, subject, ts, type, record }) => ({ subject, ...record, id, ts: Number(ts), type })))
        .toStrictEqual(rows.map(({ id }) => records.get(id)))
      expect(rows).toHaveLength(records.size)
    })

    it('goes through more events and subjects than fit in one step', async () => {
      const context = await use().openReady({ retention: [
        { subject: 'orders:*', maxAge: '1h', action: 'drop' }, { subject: 'many:*', maxCount: 1, action: 'archive' },
      ], retentionInterval: 0 })
      const { store, sql, table } = context
      await store.stream.appendMany('orders:1', Array.from({ length: 2_300 }, () => ({ type: 'a' })))
      await store.stream.appendMany('many:big', Array.from({ length: 2_300 }, () => ({ type: 'a' })))
      await Promise.all(Array.from({ length: 1_100 }, (_, at) => store.stream.append(`many:${at}`, { type: 'a' })))
      await Promise.all(Array.from({ length: 1_100 }, (_, at) => store.stream.append(`many:${at}`, { type: 'b' })))
      await sql(`update ${table('events')} set ts = ts - ${2 * HOUR_MS} where subject = 'orders:1' and version <= 2200`)
      expect((await store.admin.retention.run()).rules.map(({ events }) => events)).toStrictEqual([2_200, 2_299 + 1_100])
      expect(await sql(`select count(*)::integer as count, min(type) as type from ${table('events')} where subject_prefix = 'many' and subject <> 'many:big'`))
        .toStrictEqual([{ count: 1_100, type: 'b' }])
    })

    it('runs by itself where there is an interval', async () => {
      const context = await use().openReady({ retention: [{ subject: '*', maxCount: 1, action: 'drop' }], retentionInterval: 20 })
      await context.store.stream.appendMany('orders:1', [{ type: 'a' }, { type: 'b' }])
      await expect.poll(() => context.store.stream.read('orders:1')).toHaveLength(1)
      await expect.poll(() => context.store.admin.metrics().retention).toMatchObject({ dropped: 1, failures: 0 })
    })

    it('does nothing without rules', async () => {
      expect(await use().store.admin.retention.run()).toMatchObject({ busy: false, events: 0, rules: [] })
    })

    it.each<[what: string, member: string, rule: unknown]>([
      ['no array', 'retention', { subject: '*' }],
      ['no object', 'retention.0', ['orders:*']],
      ['no subject', 'retention.0.subject', [{ maxAge: 1, action: 'drop' }]],
      ['no action', 'retention.0.action', [{ subject: '*', maxAge: 1 }]],
      ['another action', 'retention.0.action', [{ subject: '*', maxAge: 1, action: 'delete' }]],
      ['neither age nor count', 'retention.1', [{ subject: '*', maxAge: 1, action: 'drop' }, { subject: '*', action: 'drop' }]],
      ['an age of nothing', 'retention.0.maxAge', [{ subject: '*', maxAge: 0, action: 'drop' }]],
      ['an age without a unit', 'retention.0.maxAge', [{ subject: '*', maxAge: '30', action: 'drop' }]],
      ['an age of another unit', 'retention.0.maxAge', [{ subject: '*', maxAge: '1y', action: 'drop' }]],
      ['a count of none', 'retention.0.maxCount', [{ subject: '*', maxCount: 0, action: 'drop' }]],
    ])('refuses rules with %s', async (_, member, retention) => {
      const error = await failureOf(async () => use().open({ retention: wrong(retention) }))
      expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: member } })
    })
  })
}
