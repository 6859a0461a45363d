import { describe, expect, it } from 'vitest'
import type { GlobalEvent, ReadAllOptions, Store } from '../../../src/runtime/core/index'
import { expectRefused, unique, wrong } from './context'
import type { Use } from './context'

async function collect(store: Store, options?: ReadAllOptions): Promise<GlobalEvent[]> {
  const events: GlobalEvent[] = []
  for await (const event of store.stream.readAll(options)) events.push(event)
  return events
}

export function streamReadAllSuite(use: Use): void {
  describe('stream.readAll', () => {
    /** Appends one event each to subjects of every table, again and again. */
    async function fill(rounds: number): Promise<{ name: string, after: string, written: GlobalEvent[] }> {
      const { store, P } = use()
      const name = unique('all')
      const subjects = [`${P}:flow:run:${name}`, `${P}:trigger:event:${name}`, `${name}:1`, `orders:${name}`, `invoices:${name}`, `plain ${name}`]
      const { id: after } = await store.stream.append(`start:${name}`, { type: 'start' })
      const written: GlobalEvent[] = []
      for (let round = 0; round < rounds; round++) {
        for (const subject of subjects) {
          written.push({ subject, event: await store.stream.append(subject, { type: `t${round % 2}`, subject: 'its own', data: { round } }) })
        }
      }
      return { name, after, written }
    }

    it('gives the events of all tables in order of their ids, with their subjects and everything they hold', async () => {
      const { after, written } = await fill(3)
      expect(await collect(use().store, { after })).toStrictEqual(written)
    })

    it('reads from the first event on', async () => {
      const { store } = await use().openReady()
      expect(await collect(store)).toEqual([])
      const first = await store.stream.append('orders:1', { type: 'first' })
      const second = await store.stream.append('nvent:flow:run:1', { type: 'second' })
      expect((await collect(store)).map(({ event }) => event.id)).toEqual([first.id, second.id])
      expect((await collect(store, { after: first.id })).map(({ event }) => event.id)).toEqual([second.id])
      expect(await collect(store, { after: second.id })).toEqual([])
    })

    it('reads more than a page, and no further than asked', async () => {
      const { store } = use()
      const name = unique()
      const { id: after } = await store.stream.append(`start:${name}`, { type: 'start' })
      const many = await store.stream.appendMany(`orders:${name}`, Array.from({ length: 1201 }, (_, data) => ({ type: 'many', data })))
      expect((await collect(store, { after })).map(({ event }) => event)).toStrictEqual(many)
      expect((await collect(store, { after, limit: 501 })).map(({ event }) => event)).toStrictEqual(many.slice(0, 501))
      expect(await collect(store, { after, limit: 0 })).toEqual([])
    })

    it('takes subjects and globs, which match whole subjects', async () => {
      const { store, P } = use()
      const { name, after, written } = await fill(2)
      const of = async (...subjects: string[]) => new Set((await collect(store, { after, subjects })).map(({ subject }) => subject))
      expect(await of(`orders:${name}`)).toEqual(new Set([`orders:${name}`]))
      expect(await of(`orders:${name}`, `${P}:flow:run:${name}`)).toEqual(new Set([`orders:${name}`, `${P}:flow:run:${name}`]))
      expect(await of('orders:*')).toEqual(new Set([`orders:${name}`]))
      expect(await of('ord?rs:*', `${P}:flow:*`)).toEqual(new Set([`orders:${name}`, `${P}:flow:run:${name}`]))
      expect(await of(`*${name}`)).toEqual(new Set(written.map(({ subject }) => subject).filter(subject => subject.endsWith(name))))
      expect(await of(`${P}:*`)).toEqual(new Set([`${P}:flow:run:${name}`, `${P}:trigger:event:${name}`]))
      expect(await of('orders')).toEqual(new Set())
      expect(await of('*')).toEqual(new Set(written.map(({ subject }) => subject)))
      expect(await of()).toEqual(new Set())
    })

    it('takes the wild cards of SQL and of regular expressions literally', async () => {
      const { store } = use()
      const name = unique()
      const subjects = [`odd:${name}%x`, `odd:${name}_x`, `odd:${name}.x`, `odd:${name}\\x`, `odd:${name}ax`]
      const { id: after } = await store.stream.append(`start:${name}`, { type: 'start' })
      for (const subject of subjects) await store.stream.append(subject, { type: 'odd' })
      for (const subject of subjects.slice(0, 4)) {
        expect((await collect(store, { after, subjects: [`${subject}*`] })).map(each => each.subject)).toEqual([subject])
      }
    })

    it('filters by type and time', async () => {
      const { store } = use()
      const { after, written } = await fill(4)
      expect(await collect(store, { after, types: ['t1'] })).toStrictEqual(written.filter(({ event }) => event.type === 't1'))
      expect(await collect(store, { after, types: [] })).toStrictEqual(written)
      const since = written[7]!.event.ts
      expect(await collect(store, { after, since })).toStrictEqual(written.filter(({ event }) => event.ts >= since))
    })

    it('filters by correlation id in all tables, and leaves out what is dismissed', async () => {
      const { store, P } = use()
      const name = unique('correlated')
      const { id: after } = await store.stream.append(`start:${name}`, { type: 'start' })
      const ids: string[] = []
      for (const subject of [`${P}:flow:run:${name}`, `${P}:trigger:event:${name}`, `orders:${name}`]) {
        ids.push((await store.stream.append(subject, { type: 'mine' }, { meta: { correlationId: name } })).id)
        await store.stream.append(subject, { type: 'other' }, { meta: { correlationId: `${name} 2`, causationId: name } })
        await store.stream.append(subject, { type: 'plain' })
      }
      expect((await collect(store, { after, correlationId: name })).map(({ event }) => event.id)).toEqual(ids)
      await store.stream.dismiss(ids[1]!, { reason: 'wrong', by: 'test' })
      expect((await collect(store, { after, correlationId: name })).map(({ event }) => event.id)).toEqual([ids[0], ids[2]])
    })

    it('leaves out what was rolled back or deleted', async () => {
      const { store } = use()
      const name = unique()
      const { id: after } = await store.stream.append(`start:${name}`, { type: 'start' })
      await expect(store.transaction(async (tx) => {
        await tx.stream.append(`orders:${name}`, { type: 'gone' })
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      await store.stream.append(`deleted:${name}`, { type: 'deleted' })
      await store.stream.delete(`deleted:${name}`)
      const kept = await store.stream.append(`orders:${name}`, { type: 'kept' })
      expect((await collect(store, { after })).map(({ event }) => event)).toStrictEqual([kept])
    })

    it('may be left early', async () => {
      const { store } = use()
      const { after, written } = await fill(2)
      for await (const event of store.stream.readAll({ after })) {
        expect(event).toStrictEqual(written[0])
        break
      }
    })

    it('refuses options that are none', async () => {
      const { store } = use()
      const read = (options: unknown) => () => collect(store, wrong(options))
      await expectRefused(read({ after: 'x' }), 'after')
      await expectRefused(read({ subjects: 'orders:*' }), 'subjects')
      await expectRefused(read({ subjects: [''] }), '0')
      await expectRefused(read({ types: 'a' }), 'types')
      await expectRefused(read({ since: 'x' }), 'since')
      await expectRefused(read({ limit: -1 }), 'limit')
    })
  })
}
