import { describe, expect, it } from 'vitest'
import { useOwnServer } from './own'

const { server, open, logged, proxy: startProxy } = useOwnServer()

const connection = (settings: object) => ({ connectionString: server().url, ...settings })

describe('a time-out of statements', () => {
  it('names the call, and the connection goes on', async () => {
    const store = open({ connection: connection({ statement_timeout: 200 }), poolSize: 2 })
    await store.kv.set('a', 1)
    const holder = open({ poolSize: 1 })
    await holder.ready()
    const blocked = await blockedBy(async (release) => {
      await store.transaction(async (tx) => {
        await tx.kv.set('a', 2)
        await release(() => store.kv.set('a', 3))
      })
    })
    expect(blocked).toMatchObject({
      code: 'TIMEOUT', retryable: true, details: { operation: 'kv.set', sqlState: '57014' },
      message: expect.stringMatching(/^kv\.set failed after [\d,]+ ms: canceling statement due to statement timeout/) as string,
    })
    expect(await store.kv.get('a')).toBe(2)
  })

  it('fails the call that waits and none of its neighbours', async () => {
    const store = open({ connection: connection({ lock_timeout: 100 }), poolSize: 4 })
    await Promise.all(Array.from({ length: 8 }, (_, at) => store.kv.set(`n${at}`, 0)))
    await store.transaction(async (tx) => {
      await tx.kv.set('n3', 'mine')
      const results = await Promise.allSettled(Array.from({ length: 8 }, (_, at) => store.kv.set(`n${at}`, 1)))
      expect(results.map(({ status }) => status)).toEqual(results.map((_, at) => at === 3 ? 'rejected' : 'fulfilled'))
      expect((results[3] as PromiseRejectedResult).reason).toMatchObject({ code: 'TIMEOUT', details: { sqlState: '55P03' } })
    })
    expect(await store.kv.getMany(['n2', 'n3', 'n4'])).toEqual([1, 'mine', 1])
  })

  it('does not end a migration', async () => {
    const slow = open({ connection: connection({ statement_timeout: 100, query_timeout: 100 }), prefix: 'slow', connectTimeout: 0 })
    const other = open({ prefix: 'other' })
    await other.ready()
    // Somebody else migrates the schema, for longer than a statement may take.
    const ready = await other.transaction(async (tx) => {
      const { rows: [key] } = await tx.query<{ key: string }>(MIGRATION_LOCK)
      await tx.query('select pg_advisory_xact_lock($1)', [key!.key])
      const started = slow.ready()
      await tx.query('select pg_sleep(0.5)')
      return { started }
    })
    expect(await ready.started).toMatchObject({ prefix: 'slow' })
  })

  it('ends a transaction that stands idle, with a reason', async () => {
    const store = open({ connection: connection({ idle_in_transaction_session_timeout: 100 }) })
    await expect(store.transaction(async (tx) => {
      await tx.kv.set('a', 1)
      await new Promise(resolve => setTimeout(resolve, 400))
      await tx.kv.set('b', 1)
    })).rejects.toMatchObject({ code: expect.stringMatching(/CONNECTION|TIMEOUT/) as string, retryable: true })
    expect(await store.kv.get('a')).toBe(null)
  })
})

describe('a time-out of connections', () => {
  it('of a server that does not answer says how long it waited', async () => {
    const proxy = await startProxy()
    const store = open({ connection: { connectionString: proxy.urlOf(server().url), connectionTimeoutMillis: 300 } })
    await store.ready()
    proxy.cut()
    await expect.poll(logged).toContainEqual(expect.stringContaining('an idle database connection was lost'))
    proxy.swallow(true)
    await expect(store.stream.append('orders:1', { type: 'placed' })).rejects.toMatchObject({
      code: 'CONNECTION', retryable: true, details: { operation: 'stream.append', waitedMs: expect.any(Number) as number },
      message: expect.stringMatching(/^stream\.append failed after [\d,]+ ms: waited [\d,]+ ms for a connection: the server did not answer/) as string,
    })
  })
})

describe('a pool that is used up', () => {
  const busy = (size: number) => ({ connection: connection({ connectionTimeoutMillis: 300 }), poolSize: size })

  it('names the call that waited, how long, and for what', async () => {
    const store = open(busy(2))
    await store.ready()
    await holding(2, store, async () => {
      const calls = {
        'stream.append': store.stream.append('orders:1', { type: 'placed' }),
        'stream.read': store.stream.read('orders:1'),
        'index.update': store.index.update('orders', 'a', {}),
        'kv.get': store.kv.get('a'),
        'transaction': store.transaction(async () => {}),
      }
      const results = await Promise.allSettled(Object.values(calls))
      for (const [at, operation] of Object.keys(calls).entries()) {
        expect((results[at] as PromiseRejectedResult).reason).toMatchObject({
          code: 'TIMEOUT', retryable: true, details: { operation, connections: 2, waitedMs: expect.any(Number) as number },
          message: expect.stringMatching(new RegExp(`^${operation} waited [\\d,]+ ms for one of 2 connections: .*poolSize`)) as string,
        })
      }
    })
    await store.stream.append('orders:1', { type: 'placed' })
    expect(await store.stream.read('orders:1')).toHaveLength(1)
  })

  it('keeps no call waiting longer for those before it in the queue', async () => {
    const store = open(busy(1))
    await store.ready()
    await holding(1, store, async () => {
      // Statements of many kinds: each would wait for a connection on its own, one after the other.
      const calls = Array.from({ length: 24 }, (_, at) => store.index.increment('orders', 'a', `n${at}`))
      const waited = (await Promise.allSettled(calls)).map(call => (call as PromiseRejectedResult).reason as { details: { elapsedMs: number } })
      expect(waited.filter(({ details }) => details.elapsedMs > 3 * 300)).toEqual([])
    })
  })
})

type Transaction = Pick<ReturnType<typeof open>, 'transaction'>

/** Runs `work` while so many transactions hold a connection each. */
async function holding(count: number, store: Transaction, work: () => Promise<void>): Promise<void> {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let held = 0
  const all = Array.from({ length: count }, () => store.transaction(async () => {
    held++
    await released
  }))
  await expect.poll(() => held).toBe(count)
  try {
    await work()
  }
  finally {
    release()
    await Promise.all(all)
  }
}

/** The error of a call that is made while a lock it needs is held. */
async function blockedBy(hold: (release: (call: () => Promise<unknown>) => Promise<void>) => Promise<void>): Promise<unknown> {
  let error: unknown
  await hold(async (call) => {
    error = await call().then(() => undefined, (reason: unknown) => reason)
  })
  return error
}

const MIGRATION_LOCK = `select (('x' || encode(substring(sha256('nvent-store-postgres migrate public'::bytea) from 1 for 8), 'hex'))::bit(64)::bigint)::text as key`
