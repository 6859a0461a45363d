import { describe, expect, it } from 'vitest'
import { expectRefused, idsOf, streamKinds, unique, wrong } from './context'
import type { Row, Use } from './context'

// Names of our own columns, of the store's members, and of fields that only some streams have columns for.
const fields: Row = {
  runId: 'another run', flowName: 'a flow', stepName: 'a step', stepId: 'step-1', attempt: 1, triggerName: 'another trigger',
  position: 7, version: 'mine', rest: { a: 1 }, subject: 'mine', subject_prefix: 'mine', tenant_id: 'mine', run_id: 'mine',
  flow_name: 'mine', trigger_name: 'mine', created_at: 'mine', step_name: 'mine', key: 'mine', keys: [], constructor: 'mine',
}

const oddFields: [what: string, fields: Row][] = [
  ['zero, false and empty texts', { runId: '', flowName: '', stepName: '', stepId: '', attempt: 0, triggerName: '', data: 0, other: false }],
  ['null', { runId: null, flowName: null, stepName: null, stepId: null, attempt: null, triggerName: null, data: null, other: null }],
  ['numbers where texts are usual', { runId: 1, flowName: 2, stepName: 3.5, stepId: 2 ** 60, triggerName: 4 }],
  ['objects where texts are usual', { runId: { a: 1 }, flowName: [], stepName: {}, stepId: [null], triggerName: { '': '' } }],
  ['texts where numbers are usual', { attempt: '1' }],
  ['fractions', { attempt: 1.5 }],
  ['huge numbers', { attempt: 2 ** 53 - 1, runId: 'r' }],
  ['numbers no column holds', { attempt: 1e300 }],
  ['booleans', { attempt: true, runId: false, flowName: true, data: false }],
  ['texts of a million characters', { runId: 'r'.repeat(1e6), flowName: 'f'.repeat(1e6), stepName: 's'.repeat(1e6), triggerName: 't'.repeat(1e6) }],
  ['dotted names', { 'data.a': 1, 'stats.total': 2, 'data': { a: 3 } }],
]

export function streamAppendSuite(use: Use): void {
  describe.each(streamKinds)('stream.append ($kind)', ({ subjectOf }) => {
    it('resolves with the record, the event plus its id and ts, and read gives the same', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const event = { type: 'placed', runId: 'r', flowName: 'f', stepName: 's', stepId: 'i', attempt: 2, data: { total: 99 }, extra: [1] }
      const record = await stream.append(subject, event)
      expect(record).toStrictEqual({ ...event, id: expect.stringMatching(/^[1-9]\d*$/), ts: expect.any(Number) })
      expect(await stream.read(subject)).toStrictEqual([record])
    })

    it('ignores the caller\'s own id and ts', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const record = await stream.append(subject, { type: 'placed', id: 'mine', ts: 5 })
      expect(record.id).toMatch(/^\d+$/)
      expect(record.ts).toBeGreaterThan(1e12)
      const cycle: Row = {}
      cycle.self = cycle
      await stream.append(subject, { type: 'placed', id: cycle, ts: Number.NaN })
      expect(await stream.read(subject)).toHaveLength(2)
    })

    it('keeps every other field, whatever its name', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const { id, ts } = await stream.append(subject, { type: 'placed', ...fields })
      expect(await stream.read(subject)).toStrictEqual([{ ...fields, type: 'placed', id, ts }])
    })

    it.each(oddFields)('keeps %s in fields as they were', async (_, odd) => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const record = await stream.append(subject, { type: 'odd', ...odd })
      const { id, ts, ...kept } = record
      expect(kept).toStrictEqual({ type: 'odd', ...odd })
      expect(await stream.read(subject)).toStrictEqual([{ ...kept, id, ts }])
    })

    it('keeps a field that is named __proto__', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const event = JSON.parse('{"type":"odd","__proto__":{"polluted":true}}') as { type: string }
      await stream.append(subject, event)
      const [record] = await stream.read(subject)
      expect(Object.getOwnPropertyDescriptor(record, '__proto__')?.value).toStrictEqual({ polluted: true })
      expect(({} as Row).polluted).toBeUndefined()
    })

    it('takes ts from the database\'s clock, in milliseconds', async () => {
      const { store: { stream }, sql, P } = use()
      const now = async () => {
        const [row] = await sql<{ ms: number }>('select (extract(epoch from clock_timestamp()) * 1000)::double precision as ms')
        return row!.ms
      }
      const before = await now()
      const { ts } = await stream.append(subjectOf(P), { type: 'timed' })
      expect(Number.isInteger(ts)).toBe(true)
      expect(ts).toBeGreaterThanOrEqual(Math.floor(before))
      expect(ts).toBeLessThanOrEqual(await now())
    })

    it('never lets ts run backwards within a subject, even when the clock does', async () => {
      const { store: { stream }, sql, table, P } = use()
      const subject = subjectOf(P)
      const first = await stream.append(subject, { type: 'timed' })
      // As if the clock had been an hour ahead when the first event came.
      await sql(`update ${table('heads')} set last_ts = last_ts + 3600000 where subject = $1`, [subject])
      const second = await stream.append(subject, { type: 'timed' })
      const third = await stream.append(subject, { type: 'timed' })
      expect(second.ts).toBe(first.ts + 3_600_000)
      expect(third.ts).toBeGreaterThanOrEqual(second.ts)
    })

    it('keeps what has no column for each of the events that come together, be it the same, another or nothing', async () => {
      const { store: { stream }, P } = use()
      const rests: Row[][] = [[{}, {}], [{ extra: 1 }, { extra: 1 }], [{ extra: 1 }, { extra: 2 }], [{}, { extra: 1 }], [{ extra: 1 }, {}]]
      for (const rest of rests) {
        const [together, apart] = [subjectOf(P), subjectOf(P)]
        const events = rest.map(fields => ({ type: 'a', ...fields }))
        await stream.appendMany(together, events)
        // Several subjects, as calls of one wait for each other.
        await Promise.all(events.map((event, at) => stream.append(`${apart}${at}`, event)))
        const kept = [...await stream.read(together), ...(await Promise.all(events.map((_, at) => stream.read(`${apart}${at}`)))).flat()]
        expect(kept).toMatchObject([...events, ...events])
        expect(kept.map(event => event.extra)).toStrictEqual([...rest, ...rest].map(({ extra }) => extra))
      }
    })

    it('refuses what is not a plain object with a type, and keeps nothing of it', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      for (const event of [undefined, null, 'text', 5, true, [], [{ type: 'a' }], new Date(), new Map([['type', 'a']]), Symbol('s'), () => 1]) {
        await expectRefused(() => stream.append(subject, wrong(event)), 'event')
      }
      await expectRefused(() => stream.append(subject, wrong({ data: 1 })), 'event.type')
      expect(await stream.read(subject)).toStrictEqual([])
    })

    it('numbers the events of a subject 1, 2, 3 … without holes, whatever fails in between', async () => {
      const { store, sql, table, P } = use()
      const subject = subjectOf(P)
      const append = (data: unknown) => store.stream.append(subject, { type: 'counted', data })
      await append(1)
      await expectRefused(() => append(Number.NaN), 'event.data')
      await append(2)
      await expect(store.transaction(async (tx) => {
        await tx.stream.append(subject, { type: 'counted' })
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      const { id } = await append(3)
      expect(await sql(`select version::int from ${table('heads')} where subject = $1`, [subject])).toStrictEqual([{ version: 3 }])
      expect(idsOf(await store.stream.read(subject)).at(-1)).toBe(id)
    })

    it('keeps all of what many callers append at once, each in its place', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const records = await Promise.all(Array.from({ length: 40 }, (_, data) => stream.append(subject, { type: 'many', data })))
      const stored = await stream.read(subject)
      expect(new Set(idsOf(records)).size).toBe(40)
      expect(stored).toStrictEqual([...records].sort((a, b) => Number(BigInt(a.id) - BigInt(b.id))))
    })
  })

  describe('stream.append', () => {
    it('takes the ids of all streams from one sequence', async () => {
      const { store: { stream }, P } = use()
      const ids: bigint[] = []
      for (let turn = 0; turn < 3; turn++) {
        for (const { subjectOf } of streamKinds) ids.push(BigInt((await stream.append(subjectOf(P), { type: 'global' })).id))
      }
      expect(ids).toStrictEqual([...ids].sort((a, b) => Number(a - b)))
      expect(new Set(ids).size).toBe(ids.length)
    })

    it('leaves out fields that are undefined', async () => {
      const { store: { stream } } = use()
      const subject = `orders:${unique()}`
      const record = await stream.append(subject, { type: 'placed', data: undefined, runId: undefined, other: undefined })
      expect(Object.keys(record).sort()).toStrictEqual(['id', 'ts', 'type'])
      expect(await stream.read(subject)).toStrictEqual([record])
    })
  })
}
