import { describeError } from '../consumers/attempt'
import { ALL_LETTERS } from '../consumers/deadLetterFilter'
import { releaseLetters } from '../consumers/deadLettersSql'
import type { ReleasedRow } from '../consumers/deadLettersSql'
import { registerIn } from '../consumers/register'
import type { Session } from '../db/types'
import type { GlobalReader } from '../log/reader'
import { checkMilliseconds, checkOptions, checkText } from '../shared/checks'
import { StoreError, invalidValue } from '../shared/errors'
import { createClaims, definitionOf, inShortTransaction, notOpened, notPulled } from './claim'
import type { LeaseParts } from './claim'
import { checkClaim, checkEventId, checkLease, checkLeaseMs, checkOpen, checkSubject } from './leaseChecks'
import type { CheckedLease, CheckedSubject } from './leaseChecks'
import { ackLease, blockSubject, lockLease, lockShardOf, lockSubject, redefine, renewLease, unblockSubject } from './sql'
import { errorAs, failEvent, nextEvents, toError, toWaiting } from './subject'
import type { Failure, WaitingSubject } from './subject'
import { ACK_OPTIONS, BLOCK_OPTIONS, NACK_OPTIONS, RENEW_OPTIONS } from './types'
import type { BlockOptions, LeasesApi } from './types'

/** The events of the log, for workers that ask for them. */
export function createLeases(parts: LeaseParts): LeasesApi {
  const { context, call, watch } = parts
  const claim = createClaims(parts)

  /** An event of a lease has failed; the ones before it are done. */
  async function failLease(lease: CheckedLease, event: bigint | undefined, failure: Pick<Failure, 'error' | 'after' | 'isBlocked'>): Promise<void> {
    const { consumer } = lease
    const { definition } = await definitionOf(parts, consumer)
    const letter = await inShortTransaction(parts, async (session, { read, reader }) => {
      const { rows: [row] } = await session.query(lockLease(context, lease))
      if (!row) throw leaseLost(lease)
      const waiting = toWaiting(row)
      const fromId = event ?? waiting.fromId
      if (fromId < waiting.fromId || fromId > waiting.leasedTo!) throw notOfLease('options.event', fromId, lease)
      if (event !== undefined) await requireOwn(reader, 'options.event', event, lease)
      const attempts = fromId === waiting.fromId ? waiting.attempts : 1
      return failEvent({ context, session, read, consumer, definition }, waiting, { ...failure, fromId, attempts })
    })
    if (letter) watch.buried(letter)
  }

  /**
   * The ids of other subjects lie between those of a lease: taken for one of its own, one of them would make events done
   * of which no worker has said it. One that was deleted since is of no subject.
   */
  async function requireOwn(reader: GlobalReader, argument: string, id: bigint, lease: CheckedLease): Promise<void> {
    if ((await reader.signs([id], lease.subject)).length > 0) return
    if ((await reader.signs([id])).length > 0) throw notOfLease(argument, id, lease)
  }

  async function lockWaiting(session: Session, subject: CheckedSubject): Promise<WaitingSubject | undefined> {
    const { rows: [row] } = await session.query(lockSubject(context, subject))
    return row && toWaiting(row)
  }

  async function blockAll(of: CheckedSubject, error: Error): Promise<void> {
    const { consumer } = of
    const { definition } = await definitionOf(parts, consumer)
    const letter = await inShortTransaction(parts, async (session, { read }) => {
      const { rows: [shard] } = await session.query<{ shard: number, position: string }>(lockShardOf(context, of))
      if (!shard) throw notOpened(consumer)
      const waiting = await lockWaiting(session, of)
      if (waiting?.isBlocked) return undefined
      if (!waiting) {
        await session.query(blockSubject(context, of, { shard: shard.shard, position: BigInt(shard.position), error: describeError(error) }))
        return undefined
      }
      const scope = { context, session, read, consumer, definition }
      const [first] = await nextEvents(scope, waiting, 1)
      return failEvent(scope, waiting, { fromId: first ? BigInt(first.id) : waiting.fromId, attempts: waiting.attempts, error, isBlocked: true })
    })
    if (letter) watch.buried(letter)
  }

  return {
    async open(given) {
      const { definition, ...settings } = checkOpen(given)
      const pull = JSON.stringify(definition)
      if (!(await registerIn(parts, { ...settings, pull })).isPull) throw notPulled(settings.name)
      await call(session => session.query(redefine(context, settings.name, pull)))
    },

    claim: async options => claim(checkClaim(options)),

    async renew(given, options) {
      const lease = checkLease(given)
      const leaseMs = checkLeaseMs(checkOptions('options', options, RENEW_OPTIONS).leaseMs)
      const { rows: [row] } = await call(session => session.query(renewLease(context, lease, leaseMs)))
      if (!row) throw leaseLost(lease)
      return Number(row.leased_until)
    },

    async ack(given, options) {
      const lease = checkLease(given)
      const upTo = checkEventId('options.upTo', checkOptions('options', options, ACK_OPTIONS).upTo)
      if (upTo !== undefined) await requireOwn(parts.reader, 'options.upTo', upTo, lease)
      const { rows: [row] } = await call(session => session.query<{ beyond: boolean }>(ackLease(context, lease, upTo)))
      if (!row) throw leaseLost(lease)
      if (row.beyond) throw notOfLease('options.upTo', upTo!, lease)
    },

    async nack(given, options) {
      const lease = checkLease(given)
      const { error, after, event } = checkOptions('options', options, NACK_OPTIONS)
      await failLease(lease, checkEventId('options.event', event), {
        error: toError(error), after: after === undefined ? undefined : checkMilliseconds('options.after', after),
      })
    },

    async block(given, options) {
      const { token, ...subject } = checkSubject('subject', given)
      const { reason, event } = checkOptions<Partial<BlockOptions>>('options', options, BLOCK_OPTIONS)
      const error = errorAs('Blocked', checkText('options.reason', reason))
      const id = checkEventId('options.event', event)
      if (token !== undefined) return failLease({ ...subject, token }, id, { error, isBlocked: true })
      if (id !== undefined) throw invalidValue('options.event', 'needs the lease of the event: give the lease itself, or no event')
      return blockAll(subject, error)
    },

    async unblock(given) {
      const { consumer, subject } = checkSubject('subject', given)
      await definitionOf(parts, consumer)
      return inShortTransaction(parts, async (session) => {
        const { rows: [released] } = await session.query<ReleasedRow>(releaseLetters(context, { ...ALL_LETTERS, consumer, subject, after: '0', limit: 1 }, null))
        const { count } = await session.query(unblockSubject(context, { consumer, subject }))
        return released!.count + count > 0
      })
    },
  }
}

function leaseLost({ consumer, subject }: CheckedLease): StoreError {
  return new StoreError('LEASE_LOST', `the lease of ${JSON.stringify(subject)} for consumer ${JSON.stringify(consumer)} has run out, has ended or was taken away: drop the work; the events that were not acknowledged are given to another worker`, { details: { consumer, subject } })
}

const notOfLease = (argument: string, id: bigint, { subject }: CheckedLease): StoreError =>
  invalidValue(argument, `must be the id of an event that this lease of ${JSON.stringify(subject)} still has, not ${id}`)
