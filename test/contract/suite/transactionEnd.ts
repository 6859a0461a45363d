import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TransactionApi } from '../../../src/runtime/core/index'
import { expectCode, failureOf, unique, wrong } from './context'
import type { Use } from './context'

const ended = { name: 'StoreError', code: 'INVALID_CALL', message: expect.stringContaining('has ended') as string }

/** Calls of more than one statement, and what is there before and after them. */
const LONG: [name: string, call: (tx: TransactionApi, name: string) => Promise<unknown>][] = [
  ['stream.delete', (tx, name) => tx.stream.delete(name)],
  ['stream.archive', (tx, name) => tx.stream.archive(name)],
  ['stream.truncateBefore', (tx, name) => tx.stream.truncateBefore(name, 3)],
  ['stream.append with an id', (tx, name) => tx.stream.append(name, { type: 'a' }, { eventId: 'one' })],
  ['stream.appendMany with ids', (tx, name) => tx.stream.appendMany(name, [{ type: 'a' }, { type: 'b' }], { eventIds: ['one', 'two'] })],
  ['stream.appendAll', (tx, name) => tx.stream.appendAll([{ subject: name, events: [{ type: 'a' }] }, { subject: `${name}2`, events: [{ type: 'b' }] }])],
]

export function transactionEndSuite(use: Use): void {
  describe('the end of a transaction', () => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    beforeEach(() => void process.on('unhandledRejection', note))
    afterEach(() => {
      process.off('unhandledRejection', note)
      expect(unhandled.splice(0)).toEqual([])
    })

    async function stateOf(name: string) {
      const { store } = use()
      return {
        events: (await store.stream.read(name)).map(event => event.type),
        archived: (await store.stream.read(name, { archived: true })).map(event => event.type),
        version: (await store.stream.current(name))?.version ?? 0,
        other: (await store.stream.read(`${name}2`)).length,
        otherVersion: (await store.stream.current(`${name}2`))?.version ?? 0,
      }
    }

    async function filled() {
      const name = `orders:${unique()}`
      await use().store.stream.appendMany(name, Array.from({ length: 5 }, () => ({ type: 'old' })))
      return name
    }

    it.each(LONG)('that is rejected keeps nothing of %s that was under way', async (_, call) => {
      const { store } = use()
      for (let run = 0; run < 10; run++) {
        const name = await filled()
        const before = await stateOf(name)
        await expectCode(() => store.transaction(tx => Promise.all([tx.index.increment(name, 'missing', 'n'), call(tx, name)])), 'NOT_FOUND')
        // Whatever went on would do so now.
        await store.transaction(async tx => tx.kv.get(name))
        expect(await stateOf(name)).toStrictEqual(before)
      }
    })

    it.each(LONG)('that was left by a throw keeps nothing of %s', async (_, call) => {
      const { store } = use()
      const name = await filled()
      const before = await stateOf(name)
      await expect(store.transaction(async (tx) => {
        void call(tx, name)
        throw new RangeError('mine')
      })).rejects.toThrow(new RangeError('mine'))
      expect(await stateOf(name)).toStrictEqual(before)
    })

    it.each(LONG)('waits for all of %s that was not awaited', async (_, call) => {
      const { store } = use()
      const [name, awaited] = [await filled(), await filled()]
      await store.transaction(tx => call(tx, awaited))
      let outcome: unknown
      await store.transaction(async (tx) => {
        void call(tx, name).then((result) => {
          outcome = { result }
        })
      })
      expect(outcome).toBeDefined()
      expect(await stateOf(name)).toStrictEqual(await stateOf(awaited))
    })

    it('refuses each later call, whatever it is, and gives nothing to the connection\'s next transaction', async () => {
      const { store, P } = use()
      const name = unique()
      let kept!: TransactionApi
      await store.transaction(async (tx) => {
        kept = tx
        await tx.kv.set(name, 1)
      })
      const typed = (tx: TransactionApi) => tx.stream.of({ a: wrong({ '~standard': { version: 1, vendor: 'x', validate: (value: unknown) => ({ value }) } }) })
      const calls: (() => Promise<unknown>)[] = [
        () => kept.stream.append(name, { type: 'a' }), () => kept.stream.appendMany(name, [{ type: 'a' }]), () => kept.stream.read(name),
        () => kept.stream.delete(name), () => kept.stream.current(name), () => kept.stream.archive(name), () => kept.stream.list(),
        async () => {
          for await (const _ of kept.stream.iterate(name));
        },
        () => kept.index.add(name, 'a', 1), () => kept.index.updateWithRetry(name, 'a', {}), () => kept.index.increment(`${P}:flows`, 'a', 'n'),
        () => kept.index.read(name), () => kept.kv.set(name, 2), () => kept.kv.setMany([{ key: name, value: 2 }]), () => kept.kv.clear('*'), () => kept.kv.list(),
        () => kept.query('select 1'), () => store.with(kept).kv.set(name, 2), async () => typed(kept).append(name, wrong({ type: 'a' })),
      ]
      for (const call of calls) expect(await failureOf(call)).toMatchObject(ended)
      // The pool may give the same connection to somebody else.
      await store.transaction(async (tx) => {
        await tx.kv.get(name)
        for (const call of calls) expect(await failureOf(call)).toMatchObject(ended)
      })
      expect([await store.kv.get(name), await store.stream.read(name)]).toStrictEqual([1, []])
    })

    it('keeps nothing when a call that was not awaited fails', async () => {
      const { store } = use()
      const name = unique()
      await expectCode(() => store.transaction(async (tx) => {
        await tx.kv.set(name, 1)
        void tx.index.increment(name, 'missing', 'n')
      }), 'NOT_FOUND')
      expect(await store.kv.get(name)).toBeNull()
    })

    it('keeps nothing of work that goes on when it seemed to have ended', async () => {
      const { store } = use()
      const name = unique()
      const later: unknown[] = []
      expect(await failureOf(() => store.transaction(async (tx) => {
        void (async () => {
          await tx.kv.set(name, 1)
          await tx.kv.set(`${name}2`, 2)
        })().catch((error: unknown) => later.push(error))
      }))).toMatchObject(ended)
      expect(later).toMatchObject([ended])
      expect(await store.kv.getMany([name, `${name}2`])).toStrictEqual([null, null])
    })

    it('is the same for the calls of a typed view', async () => {
      const { store } = use()
      const name = await filled()
      const schema = { '~standard': { version: 1 as const, vendor: 'x', validate: async (value: unknown) => ({ value }) } }
      let kept!: { append(subject: string, event: unknown): Promise<unknown> }
      await store.transaction(async (tx) => {
        kept = tx.stream.of({ a: schema }) as never
        void kept.append(name, { type: 'a' })
      })
      expect((await stateOf(name)).events.at(-1)).toBe('a')
      expect(await failureOf(() => kept.append(name, { type: 'a' }))).toMatchObject(ended)
    })

    it('calls made together run one after the other, in the order they were made', async () => {
      const { store } = use()
      for (const join of [(tx: TransactionApi) => tx, (tx: TransactionApi) => store.with(tx)]) {
        const name = await filled()
        await store.transaction(tx => Promise.all([
          join(tx).stream.append(name, { type: 'first' }, { eventId: 'a' }),
          join(tx).stream.delete(name),
          join(tx).stream.append(name, { type: 'second' }, { eventId: 'a' }),
          join(tx).stream.archive(name),
          join(tx).stream.unarchive(name),
        ]))
        expect(await stateOf(name)).toMatchObject({ events: ['second'], version: 1 })
      }
    })

    it('lets calls on the store be made again by what the work has started', async () => {
      const { store } = use()
      const name = unique()
      let later!: Promise<unknown>
      let go!: () => void
      await store.transaction(async (tx) => {
        await tx.kv.set(name, 1)
        later = new Promise<void>(resolve => go = resolve).then(() => store.kv.increment(name))
      })
      go()
      expect(await later).toBe(2)
    })
  })
}
