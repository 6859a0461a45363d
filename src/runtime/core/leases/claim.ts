import { setTimeout as sleep } from 'node:timers/promises'
import type { Use } from '../batch/operation'
import { ONE } from '../consumers/shard'
import type { ConsumedEvent } from '../consumers/types'
import type { ConsumerWatch, FailedAttempt } from '../consumers/watching'
import type { Session } from '../db/types'
import type { GlobalReader } from '../log/reader'
import type { GlobalEvent } from '../log/types'
import { createBackoff } from '../shared/backoff'
import { StoreError } from '../shared/errors'
import type { StatementContext } from '../sql/template'
import type { StreamOperations } from '../stream/types'
import { copyRecord } from '../tables/eventCodec'
import type { PullDefinition } from './leaseChecks'
import { countBehind, leaseLocked, leaveSubjects, lockDue, lockShards, moveLocked, readDefinition, readWaiting } from './sql'
import type { LeftSubject, Terms } from './sql'
import { errorAs, failEvent, goOn, nextEvents, toWaiting } from './subject'
import type { SubjectScope } from './subject'
import type { ClaimOptions, Lease } from './types'

// So many claims can read new events at the same time.
const PARTS = 4
// Events of subjects that are held up are read in vain.
const READ_MORE = 50
// A claim that has read so much and found little returns: the next one goes on behind it.
const MOST_ROUNDS = 100
// Looks again when other claims have all of the shards, for some milliseconds each.
const LOOKS = 10
const LOOK_MS = 10
// Locks of a process that is frozen in a claim.
const BOUND_MS = 5_000

export interface LeaseParts {
  context: StatementContext
  /** For calls of the caller: refused once the store is closed. */
  call: Use
  reader: GlobalReader
  /** The same, and reads of one subject, in a transaction. */
  readerOn(use: Use): GlobalReader
  readOn(use: Use): StreamOperations['read']
  watch: Pick<ConsumerWatch, 'buried'>
}

interface Claim extends Terms {
  definition: PullDefinition
  shards: number
}

type LeasedRow = { token: string, leased_until: number }

interface Definition {
  shards: number
  definition: PullDefinition
}

export async function definitionOf({ context, call }: Pick<LeaseParts, 'context' | 'call'>, consumer: string, isClaim = false): Promise<Definition> {
  const { rows: [row] } = await call(session => session.query<{ shards: number, pull: string | null }>(readDefinition(context, consumer, isClaim)))
  if (!row) throw notOpened(consumer)
  if (row.pull === null) throw notPulled(consumer)
  return { shards: row.shards, definition: JSON.parse(row.pull) as PullDefinition }
}

export const notOpened = (consumer: string) =>
  new StoreError('NOT_FOUND', `there is no consumer ${JSON.stringify(consumer)} to claim from: call leases.open({ consumer: ${JSON.stringify(consumer)}, … }) first`, { details: { consumer } })

export const notPulled = (consumer: string) =>
  new StoreError('INVALID_CALL', `the events of consumer ${JSON.stringify(consumer)} are handled by store.consume() and can't be claimed: take another name, or remove it first with store.admin.consumers.remove()`, { details: { consumer } })

/** Runs work in a short transaction, with what reads in it. */
export const inShortTransaction = <T>({ call, readOn, readerOn }: LeaseParts, work: (session: Session, on: { read: StreamOperations['read'], reader: GlobalReader }) => Promise<T>): Promise<T> =>
  call((outer, tables) => outer.atomic(async (session) => {
    let last: Promise<unknown> = Promise.resolve()
    // One after the other: a connection has no more than one statement at a time.
    const use: Use = (run) => {
      const next = last.then(() => run(session, tables))
      last = next.catch((error: unknown) => error)
      return next
    }
    return work(session, { read: readOn(use), reader: readerOn(use) })
  }, { idleTimeout: BOUND_MS }))

export function createClaims(parts: LeaseParts) {
  const { context, reader, watch } = parts
  let isNewFirst = false

  const toLease = ({ consumer, by }: Claim, events: ConsumedEvent[], attempt: number, { token, leased_until: leasedUntil }: LeasedRow): Lease =>
    ({ consumer, subject: events[0]!.subject, by, token, events, attempt, leasedUntil: Number(leasedUntil) })

  /** Subjects whose next attempt is due, or that another worker has lost. */
  const claimDue = (claim: Claim, limit: number, except: string[]) => inShortTransaction(parts, async (session, { read }) => {
    const { consumer, definition } = claim
    const scope: SubjectScope = { context, session, read, consumer, definition }
    const { rows } = await session.query(lockDue(context, consumer, limit, except))
    const leases: Lease[] = []
    const letters: FailedAttempt[] = []
    let left = limit
    for (const row of rows) {
      if (left === 0) break
      const waiting = toWaiting(row)
      const { subject, fromId, attempts } = waiting
      if (row.ran_out === true && definition.onExhausted !== 'block' && attempts >= definition.maxAttempts) {
        const letter = await failEvent(scope, waiting, { fromId, attempts, error: errorAs('LeaseLost', 'the lease of the worker has run out') })
        if (letter) letters.push(letter)
        continue
      }
      const events = await nextEvents(scope, waiting, left)
      const [first, last] = [events[0], events.at(-1)]
      if (!first || !last) {
        await goOn(scope, waiting, waiting.passedTo + ONE)
        continue
      }
      const attempt = BigInt(first.id) === fromId ? attempts + 1 : 1
      const { rows: [leased] } = await session.query<LeasedRow>(leaseLocked(context, claim, { subject, fromId: BigInt(first.id), leasedTo: BigInt(last.id), attempts: attempt }))
      leases.push(toLease(claim, events, attempt, leased!))
      left -= events.length
    }
    return { leases, letters }
  })

  /** New events of some shards, up to a position. Undefined when no shard is free. */
  const claimNew = (claim: Claim, limit: number, safePosition: bigint): Promise<Lease[] | undefined> => inShortTransaction(parts, async (session, { reader }) => {
    const { consumer, shards: count, definition } = claim
    const { rows } = await session.query<{ shard: number, position: string }>(lockShards(context, { consumer, upTo: safePosition, limit: Math.ceil(count / PARTS) }))
    if (rows.length === 0) return undefined
    // Those that are furthest behind, up to where the next ones are.
    const from = rows[0]!.position
    const group = rows.filter(({ position }) => position === from).map(({ shard }) => shard)
    const next = rows.find(({ position }) => position !== from)
    const page = limit + READ_MORE
    const query = { ...definition, after: BigInt(from), upTo: next ? BigInt(next.position) : safePosition, page, shards: { count, wanted: group.length === count ? undefined : group } }
    const events = await firstPage(reader.pages(query))
    const known = await session.query<{ subject: string }>(readWaiting(context, consumer, [...new Set(events.map(({ subject }) => subject))]))
    const given = give(events, new Set(known.rows.map(({ subject }) => subject)), limit)
    const to = given.end ?? (events.length < page ? query.upTo : BigInt(events.at(-1)!.event.id))
    const left = await leave(session, claim, [...given.left.values()])
    await session.query(moveLocked(context, { consumer, shards: group, to }))
    return left
  })

  async function leave(session: Session, claim: Claim, left: Given[]): Promise<Lease[]> {
    if (left.length === 0) return []
    const { rows } = await session.query<LeasedRow & { subject: string, is_own: boolean | null }>(leaveSubjects(context, claim, left))
    const rowOf = new Map(rows.map(row => [row.subject, row]))
    return left.flatMap(({ subject, events }) => {
      const row = rowOf.get(subject)!
      // Not ours: the subject was blocked meanwhile.
      return events.length > 0 && row.is_own ? [toLease(claim, events, 1, row)] : []
    })
  }

  return async function claim({ consumer, by, limit, leaseMs }: Required<ClaimOptions>): Promise<Lease[]> {
    const claim: Claim = { consumer, by, leaseMs, ...await definitionOf(parts, consumer, true) }
    // A statement of its own before the pages: a page of the same snapshot would skip events.
    const { safePosition } = await reader.mark()
    const leases: Lease[] = []
    const left = () => limit - leases.reduce((events, lease) => events + lease.events.length, 0)

    async function takeDue(): Promise<void> {
      if (left() === 0) return
      const due = await claimDue(claim, left(), leases.map(({ subject }) => subject))
      due.letters.forEach(watch.buried)
      leases.push(...due.leases)
    }

    async function takeNew(): Promise<void> {
      let looks = LOOKS
      const pauses = createBackoff({ first: LOOK_MS, max: LOOK_MS, jitter: [0, 1] })
      for (let round = 0; round < MOST_ROUNDS && left() > 0; round++) {
        const found = await claimNew(claim, left(), safePosition)
        if (found) leases.push(...found)
        else if (leases.length > 0 || looks-- === 0 || !await isBehind(consumer, safePosition)) return
        else await sleep(pauses.next())
      }
    }

    // Neither what fails again and again nor what is new keeps the other waiting.
    isNewFirst = !isNewFirst
    for (const take of isNewFirst ? [takeNew, takeDue] : [takeDue, takeNew]) await take()
    return leases.sort((a, b) => BigInt(a.events[0]!.id) < BigInt(b.events[0]!.id) ? -1 : 1)
  }

  async function isBehind(consumer: string, upTo: bigint): Promise<boolean> {
    const { rows: [row] } = await parts.call(session => session.query<{ behind: number }>(countBehind(context, { consumer, upTo })))
    return row!.behind > 0
  }
}

async function firstPage(pages: AsyncGenerator<GlobalEvent[]>): Promise<(GlobalEvent & { shard?: number })[]> {
  for await (const page of pages) return page
  return []
}

interface Given extends LeftSubject {
  events: ConsumedEvent[]
}

/**
 * Gives out events in the order of the log until there are enough. Those of subjects that are held up are passed over.
 * `end`: where it ended, when that was before the last one.
 */
function give(page: (GlobalEvent & { shard?: number })[], heldUp: Set<string>, limit: number): { left: Map<string, Given>, end?: bigint } {
  const left = new Map<string, Given>()
  let given = 0
  let end: bigint | undefined
  for (const { subject, event, shard } of page) {
    const isHeldUp = heldUp.has(subject)
    if (given === limit && !isHeldUp) return { left, end: end! }
    const id = BigInt(event.id)
    const entry = left.get(subject) ?? { subject, shard: shard!, fromId: id, leasedTo: undefined, passedTo: id, events: [] }
    left.set(subject, entry)
    entry.passedTo = id
    end = id
    if (isHeldUp) continue
    entry.leasedTo = id
    entry.events.push(copyRecord(event, { subject }))
    given++
  }
  return { left }
}
