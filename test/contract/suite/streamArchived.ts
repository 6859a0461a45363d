import { describe, expect, it } from 'vitest'
import type { EventRecord, Store } from '../../../src/runtime/core/index'
import { versionOf } from '../../../src/runtime/core/index'
import { streamKinds } from './context'
import type { Context, Use } from './context'

/** Events that move between the log and the archive: in one of them at any time, under their ids, for the reason they went. */
export function streamArchivedSuite(use: Use): void {
  describe.each(streamKinds)('events that are archived ($kind)', ({ subjectOf }) => {
    it('are all there in every read, in whatever direction they move meanwhile', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const ids = (await stream.appendMany(subject, Array.from({ length: 50 }, () => ({ type: 'a' })))).map(({ id }) => id)
      const move = async () => {
        for (let round = 0; round < 6; round++) {
          await stream.archive(subject)
          await stream.unarchive(subject)
        }
      }
      let moving = true
      const moved = move().finally(() => {
        moving = false
      })
      const found = new Set<number>()
      const reader = async () => {
        while (moving) {
          found.add((await stream.read(subject, { archived: true })).length)
          found.add((await stream.read(subject, { archived: true, order: 'desc', limit: 50, fromVersion: 1 })).length)
        }
      }
      await Promise.all([moved, reader(), reader(), reader()])
      expect([...found]).toStrictEqual([50])
      expect((await stream.read(subject)).map(({ id }) => id)).toStrictEqual(ids)
    })

    /** Four events with ids, of which retention has archived the first three. */
    async function retained(): Promise<{ context: Context, subject: string, events: EventRecord[] }> {
      const context = await use().openReady({ retention: [{ subject: '*', maxCount: 1, action: 'archive' }], retentionInterval: 0 })
      const subject = subjectOf(context.P)
      const { store: { stream, admin } } = context
      const events = await stream.appendMany(subject, [1, 2, 3, 4].map(data => ({ type: 'a', data, note: `n${data}` })), { eventIds: ['1', '2', '3', '4'] })
      await admin.retention.run()
      expect(await stream.read(subject)).toStrictEqual([events[3]])
      return { context, subject, events }
    }

    const again = { type: 'again' }
    const forms: Record<string, (store: Store, subject: string) => Promise<EventRecord[]>> = {
      'append': ({ stream }, subject) => Promise.all(['1', '2', '4'].map(eventId => stream.append(subject, again, { eventId }))),
      'append, one by one': async ({ stream }, subject) => {
        const records: EventRecord[] = []
        for (const eventId of ['1', '2', '4']) records.push(await stream.append(subject, again, { eventId, expectedVersion: 4 }))
        return records
      },
      'appendMany': ({ stream }, subject) => stream.appendMany(subject, [again, again, again], { eventIds: ['1', '2', '4'] }),
      'appendAll': async ({ stream }, subject) =>
        (await stream.appendAll([{ subject, events: [again, again, again], eventIds: ['1', '2', '4'] }]))[0]!,
      'a transaction': ({ transaction }, subject) => transaction(async (tx) => {
        const records: EventRecord[] = []
        for (const eventId of ['1', '2', '4']) records.push(await tx.stream.append(subject, again, { eventId }))
        return records
      }),
    }

    it('are not appended a second time under their ids, in whatever form', async () => {
      const { context: { store }, subject, events } = await retained()
      for (const [form, append] of Object.entries(forms)) {
        expect(await append(store, subject), form).toStrictEqual([events[0], events[1], events[3]])
        expect((await store.stream.current(subject))!.version, form).toBe(4)
      }
      expect(versionOf(await store.stream.append(subject, again, { eventId: '5' }))).toBe(5)
      await store.stream.archive(subject)
      expect(await store.stream.append(subject, again, { eventId: '4' })).toStrictEqual(events[3])
    })

    it('by retention stay archived when their stream comes back', async () => {
      const { context: { store: { stream, admin } }, subject, events } = await retained()
      const last = await stream.append(subject, { type: 'last' }, { eventId: 'last' })
      await stream.archive(subject)
      expect(await stream.unarchive(subject)).toBe(true)
      expect(await stream.read(subject)).toStrictEqual([events[3], last])
      expect(await stream.read(subject, { archived: true })).toStrictEqual([...events, last])
      await admin.retention.run()
      expect(await stream.read(subject)).toStrictEqual([last])
      await stream.archive(subject)
      await stream.unarchive(subject)
      expect(await stream.read(subject)).toStrictEqual([last])
      expect(await stream.read(subject, { archived: true, order: 'desc', limit: 2 })).toStrictEqual([last, events[3]])
    })
  })
}
