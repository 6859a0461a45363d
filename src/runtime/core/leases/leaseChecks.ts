import { MAX_CONSUMER_BYTES, atLeastOne, fromOf, shardCountOf } from '../consumers/settings'
import type { ConsumerSettings } from '../consumers/settings'
import { checkArray, checkMembers, checkMilliseconds, checkName, checkOptions, checkPosition, checkWord } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { checkTopicFilter } from '../shared/topics'
import { checkTypes } from '../stream/read/range'
import { CLAIM_OPTIONS, LEASE, OPEN_OPTIONS } from './types'
import type { ClaimOptions, HeldLease, LeasedSubject, OpenOptions } from './types'

const BACKOFF = { first: true, max: true } as const
const LEASE_MS = 30_000
const LIMIT = 10
const MAX_LIMIT = 10_000

/** What the database keeps of a consumer, so that every process gives out its events in the same way. */
export type PullDefinition = Pick<ConsumerSettings, 'subjects' | 'types' | 'topics' | 'maxAttempts' | 'backoff'> & { onExhausted: 'park' | 'skip' | 'block' }

export type OpenSettings = Pick<ConsumerSettings, 'name' | 'from' | 'shards'> & { definition: PullDefinition }

export function checkOpen(given: OpenOptions): OpenSettings {
  const options = checkMembers('options', given, OPEN_OPTIONS)
  const backoff = checkOptions('options.backoff', options.backoff, BACKOFF)
  return {
    name: checkName('options.consumer', options.consumer, MAX_CONSUMER_BYTES),
    from: fromOf(options.from ?? 'start'),
    shards: shardCountOf('subject', options.shards),
    definition: {
      subjects: options.subjects === undefined ? undefined : checkArray('options.subjects', options.subjects).map((subject, at) => checkName(`options.subjects.${at}`, subject)),
      types: checkTypes('options.types', options.types),
      topics: checkTopicFilter('options.topics', options.topics),
      maxAttempts: atLeastOne('options.maxAttempts', options.maxAttempts ?? 10),
      backoff: {
        first: checkMilliseconds('options.backoff.first', backoff.first ?? 1_000),
        max: checkMilliseconds('options.backoff.max', backoff.max ?? 60_000),
      },
      onExhausted: checkWord('options.onExhausted', options.onExhausted ?? 'park', ['park', 'skip', 'block']),
    },
  }
}

export function checkClaim(given: ClaimOptions): Required<ClaimOptions> {
  const options = checkMembers('options', given, CLAIM_OPTIONS)
  return {
    consumer: checkName('options.consumer', options.consumer, MAX_CONSUMER_BYTES),
    by: checkName('options.by', options.by, MAX_CONSUMER_BYTES),
    limit: checkLimit(options.limit ?? LIMIT),
    leaseMs: checkLeaseMs(options.leaseMs),
  }
}

function checkLimit(given: number): number {
  const limit = atLeastOne('options.limit', given)
  if (limit > MAX_LIMIT) throw invalidValue('options.limit', `must be at most ${MAX_LIMIT}, not ${limit}`)
  return limit
}

export const checkLeaseMs = (given: number | undefined): number => checkMilliseconds('options.leaseMs', given ?? LEASE_MS, 1)

export interface CheckedSubject {
  consumer: string
  subject: string
}

export interface CheckedLease extends CheckedSubject {
  token: string
}

export function checkLease(given: HeldLease): CheckedLease {
  const lease = checkSubject('lease', given)
  if (lease.token === undefined) throw invalidValue('lease.token', 'must be given: it comes with the lease from leases.claim()')
  return { ...lease, token: lease.token }
}

export function checkSubject(argument: string, given: LeasedSubject): CheckedSubject & { token: string | undefined } {
  const { consumer, subject, token } = checkMembers(argument, given, LEASE)
  return {
    consumer: checkName(`${argument}.consumer`, consumer, MAX_CONSUMER_BYTES),
    subject: checkName(`${argument}.subject`, subject),
    token: token === undefined ? undefined : checkPosition(`${argument}.token`, token),
  }
}

/** An event of a lease, by its id; undefined for the one that the call means by itself. */
export const checkEventId = (argument: string, given: string | undefined): bigint | undefined =>
  given === undefined ? undefined : BigInt(checkPosition(argument, given))
