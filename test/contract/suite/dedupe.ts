import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { TransactionApi } from '../../../src/runtime/core/index'
import { expectCode, expectRefused, failureOf, unique, wrong } from './context'
import type { Use } from './context'

const HOUR = 3_600_000
const SHORT = 50
const together = <T>(count: number, call: (at: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, (_, at) => call(at)))

/** A promise for work to wait for, and what tells that it does. */
function gate() {
  let [open, enter] = [() => {}, () => {}]
  const opened = new Promise<void>(resolve => (open = resolve))
  const entered = new Promise<void>(resolve => (enter = resolve))
  return { open, entered, wait: () => (enter(), opened) }
}

export function dedupeSuite(use: Use): void {
  const rowOf = async (key: string) => {
    const { sql, table } = use()
    const rows = await sql<{ mine: string, left: number, result: string | null }>(
      `select xmin::text || ' ' || xmax::text || ' ' || ctid::text as mine, (extract(epoch from expires_at - now()) * 1000)::float8 as left, result::text as result from ${table('dedupe')} where key = $1`, [key])
    return rows[0]
  }
  const expire = (key: string) => use().sql(`update ${use().table('dedupe')} set expires_at = now() - interval '1 second' where key = $1`, [key])

  describe('claim, seen, mark, release', () => {
    it('a key is claimed once, and seen from then on', async () => {
      const { dedupe } = use().store
      const key = unique()
      expect([await dedupe.seen(key), await dedupe.claim(key, HOUR), await dedupe.seen(key), await dedupe.claim(key, HOUR)]).toStrictEqual([false, true, true, false])
      expect((await rowOf(key))!.left).toBeGreaterThan(HOUR / 2)
    })

    it('of many claims at once exactly one wins, whatever statement they are in', async () => {
      const { dedupe } = use().store
      const keys = Array.from({ length: 20 }, () => unique())
      const claims = await together(200, async at => ({ key: keys[at % keys.length]!, won: await dedupe.claim(keys[at % keys.length]!, HOUR) }))
      for (const key of keys) expect(claims.filter(each => each.key === key && each.won), key).toHaveLength(1)
      expect(await together(20, at => dedupe.claim(keys[at]!, HOUR))).toStrictEqual(keys.map(() => false))
    })

    it('a claim that is lost writes nothing', async () => {
      const { dedupe } = use().store
      const [one, two] = [unique(), unique()]
      await together(2, at => dedupe.claim([one, two][at]!, HOUR))
      const before = [await rowOf(one), await rowOf(two)].map(row => row!.mine)
      await dedupe.claim(one, HOUR)
      expect(await together(2, at => dedupe.claim([one, two][at]!, 2 * HOUR))).toStrictEqual([false, false])
      expect([await rowOf(one), await rowOf(two)].map(row => row!.mine)).toStrictEqual(before)
    })

    it('a key is free again when its time has passed', async () => {
      const { dedupe } = use().store
      const [key, other] = [unique(), unique()]
      await together(2, at => dedupe.claim([key, other][at]!, SHORT))
      await sleep(SHORT * 2)
      expect([await dedupe.seen(key), await dedupe.claim(key, HOUR), await dedupe.claim(key, HOUR)]).toStrictEqual([false, true, false])
      expect(await together(3, () => dedupe.claim(other, HOUR))).toStrictEqual([true, false, false])
    })

    it('release frees a key, and only that', async () => {
      const { dedupe } = use().store
      const [key, other] = [unique(), unique()]
      await together(2, at => dedupe.claim([key, other][at]!, HOUR))
      expect([await dedupe.release(key), await dedupe.release(unique())]).toStrictEqual([undefined, undefined])
      expect([await dedupe.seen(key), await dedupe.seen(other), await dedupe.claim(key, HOUR)]).toStrictEqual([false, true, true])
      await together(2, at => dedupe.release([key, other][at]!))
      expect([await dedupe.seen(key), await dedupe.seen(other)]).toStrictEqual([false, false])
    })

    it('mark takes a key that is free, and gives one that is taken another time', async () => {
      const { dedupe } = use().store
      const key = unique()
      expect(await dedupe.mark(key, HOUR)).toBeUndefined()
      expect([await dedupe.seen(key), await dedupe.claim(key, HOUR)]).toStrictEqual([true, false])
      await dedupe.mark(key, SHORT)
      await sleep(SHORT * 2)
      expect(await dedupe.seen(key)).toBe(false)
      await together(3, at => dedupe.mark(key, (at + 1) * HOUR))
      expect((await rowOf(key))!.left).toBeGreaterThan(2.5 * HOUR)
    })

    it('calls on one key are carried out in their order', async () => {
      const { dedupe } = use().store
      const key = unique()
      const calls = [dedupe.claim(key, HOUR), dedupe.release(key), dedupe.claim(key, HOUR), dedupe.claim(key, HOUR), dedupe.seen(key), dedupe.release(key), dedupe.seen(key)]
      expect(await Promise.all(calls)).toStrictEqual([true, undefined, true, false, true, undefined, false])
    })

    it('in a transaction keys are taken with what it writes, or not at all', async () => {
      const { store } = use()
      const [kept, lost] = [unique(), unique()]
      expect(await store.transaction(async tx => [await tx.dedupe.claim(kept, HOUR), await tx.dedupe.claim(kept, HOUR), await tx.dedupe.seen(kept)])).toStrictEqual([true, false, true])
      await expect(store.transaction(async (tx) => {
        await tx.dedupe.claim(lost, HOUR)
        await tx.dedupe.release(kept)
        await store.with(tx).dedupe.mark(`${lost} too`, HOUR)
        throw new Error('mine')
      })).rejects.toThrow('mine')
      expect(await together(3, at => store.dedupe.seen([kept, lost, `${lost} too`][at]!))).toStrictEqual([true, false, false])
      await store.transaction(async tx => expect(await store.with(tx).dedupe.claim(lost, HOUR)).toBe(true))
      expect(await store.dedupe.seen(lost)).toBe(true)
    })

    it('a claim waits for a transaction that has the key, and loses when that one is committed', async () => {
      const { store } = use()
      const [kept, lost] = [unique(), unique()]
      const rolledBack = new Error('rolled back')
      const claimBeside = async (key: string, fails: boolean) => {
        const work = gate()
        const transaction = store.transaction(async (tx) => {
          await tx.dedupe.claim(key, HOUR)
          await work.wait()
          if (fails) throw rolledBack
        })
        await work.entered
        const other = store.dedupe.claim(key, HOUR)
        await sleep(SHORT * 2)
        work.open()
        await transaction.catch((error: unknown) => expect(error).toBe(rolledBack))
        return other
      }
      expect([await claimBeside(kept, false), await claimBeside(lost, true)]).toStrictEqual([false, true])
    })

    it('refuse times that can\'t be right', async () => {
      const { dedupe } = use().store
      for (const ttl of [0, -1, 0.5, Number.NaN, Infinity, 1e12, '60', null, undefined, {}]) {
        for (const call of ['claim', 'mark'] as const) await expectRefused(() => dedupe[call](unique(), wrong(ttl)), 'ttlMs')
        await expectRefused(() => dedupe.once(unique(), wrong(ttl), async () => 1), 'ttlMs')
      }
      for (const options of [{ waitMs: -1 }, { idleMs: 0 }]) await expectRefused(() => dedupe.once(unique(), HOUR, async () => 1, options), `options.${Object.keys(options)[0]!}`)
      await expectRefused(() => dedupe.once(unique(), HOUR, wrong('work')), 'work')
    })
  })

  describe('once', () => {
    it('gives the result of the first call to all others', async () => {
      const { store } = use()
      const key = unique()
      let runs = 0
      const call = () => store.dedupe.once(key, HOUR, async (tx) => {
        runs++
        await sleep(SHORT)
        return { run: runs, value: await tx.kv.increment(key) }
      })
      const results = await together(20, call)
      expect(results).toStrictEqual(results.map(() => ({ run: 1, value: 1 })))
      expect(results[0]).not.toBe(results[1])
      expect([await call(), runs, await store.kv.get(key)]).toStrictEqual([{ run: 1, value: 1 }, 1, 1])
      await store.dedupe.release(key)
      expect(await call()).toStrictEqual({ run: 2, value: 2 })
      await expire(key)
      expect(await call()).toStrictEqual({ run: 3, value: 3 })
    })

    it.each([[null, null], [undefined, null], [false, false], ['', ''], [[1, { a: 'x' }], [1, { a: 'x' }]], [new Date(0), '1970-01-01T00:00:00.000Z']])('keeps %j as JSON: the first call gets it as the others do', async (given, kept) => {
      const { dedupe } = use().store
      const key = unique()
      expect([await dedupe.once<unknown>(key, HOUR, async () => given), await dedupe.once(key, HOUR, async () => 'another')]).toStrictEqual([kept, kept])
    })

    it('work that throws frees the key and takes back what it wrote; the next call runs', async () => {
      const { store } = use()
      const key = unique()
      const boom = new Error('boom')
      let runs = 0
      const call = () => store.dedupe.once(key, HOUR, async (tx) => {
        await tx.kv.set(key, 'written')
        await sleep(10)
        if (++runs < 3) throw boom
        return runs
      })
      await expect(call()).rejects.toBe(boom)
      expect([await store.kv.get(key), await store.dedupe.seen(key)]).toStrictEqual([null, false])
      // Those that wait for it do not fail with it.
      expect((await Promise.allSettled([call(), call(), call()])).map(({ status }) => status).sort()).toStrictEqual(['fulfilled', 'fulfilled', 'rejected'])
      expect([runs, await store.kv.get(key)]).toStrictEqual([3, 'written'])
    })

    it('a result that is no JSON is refused, and nothing is kept', async () => {
      const { store } = use()
      const key = unique()
      for (const result of [Symbol('s'), () => 1, 1n, Number.NaN, 'a\0', '\uD800', [{ deep: 1n }]]) {
        await expectRefused(() => store.dedupe.once<unknown>(key, HOUR, async (tx) => {
          await tx.kv.set(key, 1)
          return result
        }), 'result')
      }
      expect([await store.kv.get(key), await store.dedupe.seen(key)]).toStrictEqual([null, false])
    })

    it('a key that was claimed or marked has no result: the work does not run', async () => {
      const { store } = use()
      const [key, during] = [unique(), unique()]
      await store.dedupe.claim(key, HOUR)
      const error = await failureOf(() => store.dedupe.once(key, HOUR, async () => expect.fail('must not run')))
      expect(error).toMatchObject({ code: 'INVALID_CALL', details: { key } })
      // The claim came while the work ran, and won.
      await expectCode(() => store.dedupe.once(during, HOUR, async (tx) => {
        await tx.dedupe.claim(during, HOUR)
        return 1
      }), 'INVALID_CALL')
      expect(await store.dedupe.once(during, HOUR, async () => 2)).toBe(2)
      await store.dedupe.mark(during, 2 * HOUR)
      expect([await store.dedupe.once(during, HOUR, async () => 3), (await rowOf(during))!.left > HOUR]).toStrictEqual([2, true])
    })

    it('a key that is taken again after its time has no result of before', async () => {
      const { dedupe } = use().store
      for (const take of ['claim', 'mark'] as const) {
        const key = unique()
        await dedupe.once(key, HOUR, async () => 'old')
        await expire(key)
        await dedupe[take](key, HOUR)
        expect((await rowOf(key))!.result, take).toBeNull()
        await expectCode(() => dedupe.once(key, HOUR, async () => 'new'), 'INVALID_CALL')
      }
    })

    it('keeps its result for the time from the end of the work', async () => {
      const { store, sql, table } = use()
      const key = unique()
      await store.dedupe.once(key, HOUR, async (tx) => {
        await sleep(SHORT)
        const { rows: [now] } = await tx.query('select clock_timestamp()::text as ended')
        return now!.ended
      })
      expect(await sql(`select expires_at >= (result #>> '{}')::timestamptz + interval '1 hour' as late from ${table('dedupe')} where key = $1`, [key])).toStrictEqual([{ late: true }])
    })

    it('inside the work of the same key is refused', async () => {
      const { store } = use()
      const key = unique()
      await expectCode(() => store.dedupe.once(key, HOUR, () => store.dedupe.once(key, HOUR, async () => 1)), 'INVALID_CALL')
    })

    it('a repeat waits no longer than it may', async () => {
      const { store } = use()
      const key = unique()
      const work = gate()
      const first = store.dedupe.once(key, HOUR, async () => {
        await work.wait()
        return 1
      })
      await work.entered
      // On the embedded database calls wait for the transaction that the work has.
      const repeat = store.dedupe.once(key, HOUR, async () => 2, { waitMs: 20 }).catch((error: unknown) => error)
      if (store.admin.metrics().pool) expect(await repeat).toMatchObject({ code: 'TIMEOUT', retryable: true, details: { key, waitMs: 20 } })
      work.open()
      expect(await first).toBe(1)
      await repeat
    })

    it('in a transaction is part of it', async () => {
      const { store } = use()
      const [key, lost] = [unique(), unique()]
      const call = (tx: TransactionApi, of: string) => tx.dedupe.once(of, HOUR, async () => {
        await tx.kv.increment(of)
        return { value: await tx.kv.get(of) as number }
      })
      expect(await store.transaction(async tx => [await call(tx, key), await call(store.with(tx), key)])).toStrictEqual([{ value: 1 }, { value: 1 }])
      await expect(store.transaction(async (tx) => {
        await call(tx, lost)
        throw new Error('mine')
      })).rejects.toThrow('mine')
      expect(await store.dedupe.seen(lost)).toBe(false)
      expect(await together(8, () => store.transaction(tx => call(tx, lost)))).toStrictEqual(Array.from({ length: 8 }, () => ({ value: 1 })))
      expect(await store.dedupe.once(key, HOUR, async () => 'another')).toStrictEqual({ value: 1 })
      await expectRefused(() => store.transaction(tx => tx.dedupe.once(key, HOUR, ...[async () => 1, {}] as unknown as [() => Promise<number>])), 'options')
    })
  })
}
