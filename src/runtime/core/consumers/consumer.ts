import { randomUUID } from 'node:crypto'
import { createWakeablePause } from '../log/subscriptions/wakeablePause'
import type { GlobalReader } from '../log/reader'
import { createBackoff } from '../shared/backoff'
import { checkMilliseconds, checkOptions, checkPosition } from '../shared/checks'
import { StoreError, messageOf } from '../shared/errors'
import { isInside, runInside } from '../shared/inside'
import { inTime, unref } from '../shared/timer'
import type { Logger } from '../shared/types'
import type { StreamOperations } from '../stream/types'
import { isOfDatabase } from './attempt'
import { Exhausted, Fenced, createDelivery } from './delivery'
import type { DeliveryOptions } from './delivery'
import { createLease } from './lease'
import { parkSubject, readParked, unparkSubject } from './parkedSql'
import { createParkedSubjects, toParked } from './parkedSubjects'
import type { Waiting } from './parkedSubjects'
import { otherShards } from './settings'
import type { ConsumerSettings } from './settings'
import { readConsumer, registerConsumer } from './sql'
import { CAUGHT_UP_OPTIONS, STOP_OPTIONS } from './types'
import type { CaughtUpOptions, Consumer, ConsumerStatus, ShardedEvent } from './types'

// Read at once, whatever handlers get: a page costs a statement for each table.
const PAGE = 1_000
const DRAIN_MS = 10_000
const CAUGHT_UP_MS = 30_000
const LOOK_MS = 20

export interface ConsumerParts extends Pick<DeliveryOptions, 'context' | 'use' | 'within'> {
  reader: GlobalReader
  read: StreamOperations['read']
  logger: Logger
  /** Calls back when there may be new events, until the result is called. */
  listen(onWake: () => void): () => Promise<void>
}

export function createConsumer(parts: ConsumerParts, settings: ConsumerSettings): Consumer & { wake(): void } {
  const { context, use, reader, read, logger } = parts
  const { name, leaseMs } = settings
  const pause = createWakeablePause()
  const running = {}
  let state: ConsumerStatus['state'] = 'idle'
  let error: unknown
  let shardsHere = 0
  let work: { ended: Promise<void>, stopping: AbortController, killed: AbortController } | undefined

  async function register(): Promise<void> {
    const position = settings.from === 'start' ? '0' : settings.from === 'now' ? String((await reader.mark()).safePosition) : settings.from
    const { rows: [row] } = await use(session => session.query<{ shards: number, same_hash: boolean }>(registerConsumer(context, { consumer: name, shards: settings.shards, position })))
    if (row!.shards !== settings.shards) throw otherShards(name, row!.shards, settings.shards)
    if (!row!.same_hash) throw new StoreError('INVALID_CALL', `the server's hash function is another one than when consumer ${JSON.stringify(name)} was made: its subjects are in other shards now; make a consumer of another name from the lowest position of this one`, { details: { consumer: name } })
  }

  async function run(stopping: AbortSignal, killed: AbortSignal): Promise<void> {
    const parked = createParkedSubjects()
    let refreshedAt = performance.now()
    let balancedAt = -Infinity
    const lease = createLease({
      context, use, consumer: name, member: randomUUID(), shards: settings.shards, leaseMs,
      async onClaim(shards) {
        const known = await parkedOf(shards.map(({ shard }) => shard))
        known.forEach(parked.set)
      },
    })
    const delivery = createDelivery({ ...parts, settings, lease, parked, signal: killed })
    const beat = heartbeat(lease.renew)
    const silence = parts.listen(pause.wake)
    const backoff = createBackoff({ first: 100, max: 10_000, jitter: [0.5, 1.5] })
    try {
      await beat.now()
      while (!stopping.aborted) {
        try {
          const isDone = await step()
          backoff.reset()
          if (isDone) await pause.wait(Math.max(0, Math.min(settings.pollInterval, parked.nextIn())))
        }
        catch (failure) {
          if (killed.aborted || failure instanceof Exhausted) throw failure
          if (failure instanceof Fenced) continue
          if (!isOfDatabase(failure)) logger.warn(`consumer ${name} tries again: ${messageOf(failure)}`)
          await pause.wait(backoff.next())
        }
      }
    }
    finally {
      await beat.stop()
      await silence()
      // What is not saved or given back is found by the next holder when the lease has run out.
      await lease.save().then(lease.end).catch((failure: unknown) => logger.warn(`consumer ${name} could not give its shards back: ${messageOf(failure)}`))
      shardsHere = 0
    }

    async function parkedOf(shards: number[]) {
      return (await use(session => session.query(readParked(context, name, shards)))).rows.map(toParked)
    }

    /** What other processes have changed: an operator may have requeued a subject. */
    async function refresh(): Promise<void> {
      if (performance.now() - refreshedAt < leaseMs / 3) return
      refreshedAt = performance.now()
      parked.replace(await parkedOf([...lease.held.keys()]))
    }

    /** One page. Returns whether there is nothing left to do. */
    async function step(): Promise<boolean> {
      if (lease.held.size === 0 || performance.now() - balancedAt > leaseMs / 10) {
        balancedAt = performance.now()
        await lease.balance()
      }
      shardsHere = lease.held.size
      parked.keep(shard => lease.held.has(shard))
      await refresh()
      if (state === 'paused') return true
      await retryDue()
      if (lease.held.size === 0) return true
      const mark = await reader.mark()
      const shards = [...lease.held.values()]
      const after = shards.reduce((lowest, { position }) => position < lowest ? position : lowest, shards[0]!.position)
      if (mark.safePosition <= after) return save(mark.head <= after)
      const events = await readPage(after, mark.safePosition, shards.map(({ shard }) => shard))
      const upTo = events.length >= PAGE ? BigInt(events.at(-1)!.event.id) : mark.safePosition
      await delivery.deliver(events)
      if (killed.aborted) return true
      for (const shard of shards) if (upTo > shard.position && lease.held.get(shard.shard) === shard) shard.position = upTo
      return events.length < PAGE && save(true)
    }

    async function save(isDone: boolean): Promise<boolean> {
      await lease.save()
      return isDone
    }

    async function readPage(after: bigint, upTo: bigint, held: number[]): Promise<ShardedEvent[]> {
      const shards = { count: settings.shards, wanted: held.length === settings.shards ? undefined : held }
      const events: ShardedEvent[] = []
      for await (const page of reader.pages({ after, upTo, subjects: settings.subjects, types: settings.types, page: PAGE, shards })) {
        events.push(...page as ShardedEvent[])
        if (events.length >= PAGE) break
      }
      return events
    }

    async function retryDue(): Promise<void> {
      for (const waiting of parked.due()) {
        if (stopping.aborted) return
        await retry(waiting)
      }
    }

    /** The events of a parked subject in their order, up to where its shard stands. */
    async function retry({ subject, shard, fromId, attempts }: Waiting): Promise<void> {
      const held = lease.held.get(shard)
      if (!held) return
      let tried = attempts
      let after = fromId - 1n
      for (;;) {
        const page = await read(subject, { after: String(after), limit: settings.batchSize, types: settings.types ?? [] })
        const events = page.filter(({ id }) => BigInt(id) <= held.position)
        for (const event of events) {
          const next = BigInt(event.id) + 1n
          const done = { subject, shard, fromId: next, attempts: 0, delayMs: 0, error: '{}' }
          if (!await delivery.again({ subject, event, shard }, tried, session => session.query(parkSubject(context, name, done)))) return
          parked.set(done)
          tried = 0
          after = next - 1n
        }
        if (events.length < settings.batchSize) break
      }
      await use(session => session.query(unparkSubject(context, name, subject)))
      parked.delete(subject)
    }
  }

  /** Renews the lease three times while it holds, also while a handler is under way. */
  function heartbeat(renew: () => Promise<void>) {
    let timer: NodeJS.Timeout | undefined
    let last: Promise<void> = Promise.resolve()
    let stopped = false
    const beat = (): Promise<void> => last = renew().catch((failure: unknown) => {
      if (!isOfDatabase(failure)) logger.warn(`consumer ${name} could not renew its lease: ${messageOf(failure)}`)
    }).then(() => {
      if (stopped) return
      timer = setTimeout(() => void beat(), leaseMs / 3)
      unref(timer)
    })
    return {
      now: beat,
      async stop() {
        stopped = true
        clearTimeout(timer)
        await last
      },
    }
  }

  async function waitFor(position: bigint, given: CaughtUpOptions | undefined): Promise<void> {
    const { timeout = CAUGHT_UP_MS } = checkOptions('options', given, CAUGHT_UP_OPTIONS)
    const until = performance.now() + checkMilliseconds('options.timeout', timeout)
    for (;;) {
      const { rows: [row] } = await use(session => session.query(readConsumer(context, name)))
      if (row?.position != null && BigInt(row.position as string) >= position) return
      if (state === 'failed') throw error
      if (performance.now() > until) throw new StoreError('TIMEOUT', `consumer ${JSON.stringify(name)} has not reached position ${position} within ${timeout} ms`, { details: { consumer: name, position: String(position), reached: row?.position ?? null } })
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  }

  async function stop(given?: { drainMs?: number }): Promise<void> {
    const { drainMs = DRAIN_MS } = checkOptions('options', given, STOP_OPTIONS)
    checkMilliseconds('options.drainMs', drainMs)
    if (!work) return
    const { ended, stopping, killed } = work
    stopping.abort()
    pause.wake()
    // A handler that stops its own consumer can't wait for its own end.
    if (isInside(running)) return
    if (!await inTime(ended, drainMs)) killed.abort(new StoreError('CLOSED', `consumer ${JSON.stringify(name)} was stopped`))
    await ended
  }

  return {
    name,
    async start(signal) {
      if (work) return
      if (signal?.aborted) return
      const stopping = new AbortController()
      const killed = new AbortController()
      let begin = () => {}
      const begun = new Promise<void>(resolve => (begin = resolve))
      const ended = begun.then(() => runInside(running, () => run(stopping.signal, killed.signal))).then(() => {
        state = 'stopped'
      }, (failure: unknown) => {
        state = killed.signal.aborted ? 'stopped' : 'failed'
        if (state === 'failed') {
          error = failure
          logger.error(`consumer ${name} has stopped: ${messageOf(failure)}`, failure)
        }
      }).finally(() => {
        work = undefined
      })
      work = { ended, stopping, killed }
      try {
        await register()
      }
      catch (failure) {
        work = undefined
        throw failure
      }
      state = 'running'
      error = undefined
      signal?.addEventListener('abort', () => void stop(), { once: true })
      begin()
    },
    stop,
    pause() {
      if (state === 'running') state = 'paused'
    },
    resume() {
      if (state === 'paused') state = 'running'
      pause.wake()
    },
    whenCaughtUp: async options => waitFor((await reader.mark()).head, options),
    whenProcessed: async (position, options) => waitFor(BigInt(checkPosition('position', position)), options),
    wake: () => pause.wake(),
    async status() {
      const [{ head }, { rows: [row] }] = await Promise.all([reader.mark(), use(session => session.query(readConsumer(context, name)))])
      const position = (row?.position ?? null) as string | null
      return {
        name, state, position, head: String(head), lag: Number(head - BigInt(position ?? 0)), staleMs: row?.stale_ms == null ? null : Number(row.stale_ms),
        shards: { all: settings.shards, held: Number(row?.held ?? 0), here: shardsHere }, parked: Number(row?.parked ?? 0),
        ...error !== undefined && { error },
      }
    },
  }
}
