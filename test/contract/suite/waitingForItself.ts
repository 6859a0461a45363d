import { describe, expect, it } from 'vitest'
import type { Store, TransactionApi } from '../../../src/runtime/core/index'
import { expectCode, failureOf, unique } from './context'
import type { Use } from './context'

type Calls = Omit<TransactionApi, 'stream'> & { stream: Omit<TransactionApi['stream'], 'of'> }

/** Calls of every tier and kind, on a subject of their own. */
const CALLS: Record<string, (on: Calls) => Promise<unknown>> = {
  'query': on => on.query('select 1'),
  'kv.get': on => on.kv.get('a'),
  'kv.set': on => on.kv.set('a', 1),
  'kv.list': on => on.kv.list(),
  'kv.clear': on => on.kv.clear('nothing*'),
  'dedupe.claim': on => on.dedupe.claim('a', 1),
  'dedupe.once': on => on.dedupe.once('a', 1, async () => 1),
  'index.add': on => on.index.add('a', 'a', 1),
  'index.increment': on => on.index.increment('a', 'a', 'n'),
  'index.readPage': on => on.index.readPage('a'),
  'stream.append': on => on.stream.append('a:1', { type: 'x' }),
  'stream.appendMany': on => on.stream.appendMany('a:1', [{ type: 'x' }], { onProgress: () => {} }),
  'stream.appendAll': on => on.stream.appendAll([{ subject: 'a:1', events: [{ type: 'x' }] }]),
  'stream.read': on => on.stream.read('a:1'),
  'stream.iterate': on => on.stream.iterate('a:1')[Symbol.asyncIterator]().next(),
  'stream.delete': on => on.stream.delete('a:1'),
}

const REFUSED = { name: 'StoreError', code: 'INVALID_CALL' }

export function waitingForItselfSuite(use: Use): void {
  describe('calls that would wait for themselves', () => {
    /** What comes of a call that an import makes in its `onProgress`. */
    async function during(on: Pick<Calls, 'stream'>, call: () => Promise<unknown>, subject: string = unique()): Promise<unknown> {
      let outcome: unknown
      const onProgress = (async () => {
        outcome = await call().catch((error: unknown) => error)
      }) as () => void
      await on.stream.appendMany(subject, [{ type: 'x' }], { onProgress })
      return outcome
    }

    it.each(Object.entries(CALLS))('%s on a transaction is refused in the onProgress of an import on it, which goes on', async (_, call) => {
      const { store } = use()
      const subject = unique()
      await store.transaction(async (tx) => {
        expect(await during(tx, () => call(tx), subject), 'tx in tx').toMatchObject(REFUSED)
        const joined = store.with(tx)
        expect(await during(joined, () => call(joined), subject), 'with in with').toMatchObject(REFUSED)
        expect(await during(joined, () => call(store.with(tx)), subject), 'another with in with').toMatchObject(REFUSED)
        expect(await during(tx, () => call(joined), subject), 'with in tx').toMatchObject(REFUSED)
        expect(await during(tx, () => during(joined, () => call(tx)), subject), 'further inside').toMatchObject(REFUSED)
      })
      expect(await store.stream.read(subject)).toHaveLength(5)
    })

    it('a refusal that is not caught takes the import and its transaction back', async () => {
      const { store } = use()
      const subject = unique()
      const onProgress = (tx: Calls) => (() => tx.kv.set('a', 1)) as () => void
      await expectCode(() => store.transaction(tx => tx.stream.appendMany(subject, [{ type: 'x' }], { onProgress: onProgress(tx) })), 'INVALID_CALL')
      expect(await store.stream.current(subject)).toBeNull()
    })

    it.each(Object.entries(CALLS))('%s on a client is refused in its own query()', async (_, call) => {
      const { store } = use()
      await store.transaction(async (tx) => {
        const refused: unknown[] = []
        const client = {
          async query(text: string, values: unknown[]) {
            if (refused.length === 0) refused.push(0, await failureOf(() => call(store.with(client))))
            return tx.query(text, values)
          },
        }
        await store.with(client).kv.set('a', 1)
        expect(refused).toMatchObject([0, REFUSED])
      })
    })

    it('what an import has begun may call the transaction once it has resolved, and calls beside it wait', async () => {
      const { store } = use()
      const [key, subject] = [unique(), unique()]
      await store.transaction(async (tx) => {
        let goOn = () => {}
        const goes = new Promise<void>(resolve => goOn = resolve)
        let later: Promise<unknown> | undefined
        await Promise.all([
          tx.stream.appendMany(subject, [{ type: 'x' }], { onProgress: () => void (later = goes.then(() => tx.kv.set(key, 1))) }),
          tx.kv.set(`${key} 2`, 2),
        ])
        goOn()
        await later
      })
      expect([await store.kv.get(key), await store.kv.get(`${key} 2`)]).toStrictEqual([1, 2])
    })

    it('a transaction, an import and a joined client of the store are refused the subject of an import around them', async () => {
      const { store, info } = use()
      // Its one connection refuses every call on the store inside.
      const mine = info.driver !== 'pglite'
      const [subject, other] = [unique(), unique()]
      const append = (on: Pick<Calls, 'stream'>) => on.stream.append(subject, { type: 'x' })
      expect(await during(store, () => store.transaction(append), subject)).toMatchObject(REFUSED)
      expect(await during(store, () => during(store, () => append(store), other), subject)).toMatchObject(REFUSED)
      expect(await during(store, () => store.transaction(tx => during(tx, () => append(store), other)), subject)).toMatchObject(REFUSED)
      if (mine) expect(await during(store, () => append(store).catch(() => store.stream.append(other, { type: 'x' })), subject)).toMatchObject({ type: 'x' })
    })

    it('close() is refused in query() of a client, and in imports on it', async () => {
      const { store, info } = use()
      const close = (closed: Store) => failureOf(() => closed.close())
      await store.transaction(async (tx) => {
        const refused: unknown[] = []
        const client = {
          async query(text: string, values: unknown[]) {
            refused.push(await close(store))
            return tx.query(text, values)
          },
        }
        await store.with(client).kv.set('a', 1)
        expect(await during(store.with(tx), () => store.close())).toMatchObject(REFUSED)
        expect(refused).toMatchObject([REFUSED])
      })
      expect(info.driver).toBe((await store.ready()).driver)
    })
  })
}
