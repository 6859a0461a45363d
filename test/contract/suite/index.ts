import { describe } from 'vitest'
import { adminSuite } from './admin'
import { aggregatesSuite } from './aggregates'
import { aggregateSessionsSuite } from './aggregateSessions'
import { aggregateSnapshotsSuite } from './aggregateSnapshots'
import { withStore } from './context'
import type { Openers, Use } from './context'
import { dedupeSuite } from './dedupe'
import { documentedSuite } from './documented'
import { durableSuite } from './durable'
import { indexAddSuite } from './indexAdd'
import { indexIncrementSuite } from './indexIncrement'
import { indexReadSuite } from './indexRead'
import { indexUpdateSuite } from './indexUpdate'
import { kvSuite } from './kv'
import { knownMembersSuite } from './knownMembers'
import { lifecycleSuite } from './lifecycle'
import { namesSuite } from './names'
import { nventSuite } from './nvent'
import { oddInputSuite } from './oddInput'
import { retentionSuite } from './retention'
import { routingSuite } from './routing'
import { rulesSuite } from './rules'
import { schemaSuite } from './schema'
import { streamAllSuite } from './streamAll'
import { streamArchivedSuite } from './streamArchived'
import { streamAppendSuite } from './streamAppend'
import { streamExpectedSuite } from './streamExpected'
import { streamHistorySuite } from './streamHistory'
import { streamIdsSuite } from './streamIds'
import { streamLifeSuite } from './streamLife'
import { streamFollowSuite } from './streamFollow'
import { streamReadAllSuite } from './streamReadAll'
import { streamReadSuite } from './streamRead'
import { streamSubscribeSuite } from './streamSubscribe'
import { streamTablesSuite } from './streamTables'
import { streamTypedSuite } from './streamTyped'
import { transactionSuite } from './transaction'
import { transactionEndSuite } from './transactionEnd'
import { transactionSqlSuite } from './transactionSql'
import { valuesSuite } from './values'
import { waitingForItselfSuite } from './waitingForItself'
import { withClientSuite } from './withClient'

export type { Context, Open, Openers, Opened, Use } from './context'

type Tiers = Record<string, ((use: Use) => void)[]>

/** The tiers one by one, for a database that does not do all of it. */
export const tiers = {
  values: [namesSuite, valuesSuite],
  eventLog: [streamExpectedSuite, streamIdsSuite, streamAllSuite, streamHistorySuite, streamLifeSuite, streamArchivedSuite],
  stream: [streamAppendSuite, streamReadSuite, streamReadAllSuite, streamSubscribeSuite, streamFollowSuite, streamTypedSuite, streamTablesSuite],
  index: [indexAddSuite, indexUpdateSuite, indexIncrementSuite, indexReadSuite],
  kv: [kvSuite],
  dedupe: [dedupeSuite],
  rules: [rulesSuite],
  transaction: [transactionSuite, transactionEndSuite, transactionSqlSuite, waitingForItselfSuite, withClientSuite],
  aggregates: [aggregatesSuite, aggregateSnapshotsSuite, aggregateSessionsSuite],
  lifecycle: [lifecycleSuite, schemaSuite],
  operation: [adminSuite, retentionSuite],
  routing: [routingSuite],
  nvent: [nventSuite, documentedSuite],
}

/**
 * What every store has to do, whatever its database (docs/semantics.md).
 * @example
 * contractSuite('my database', { open: options => openMyStore(options) })
 */
export function contractSuite(name: string, openers: Openers, chosen: Tiers = tiers): void {
  describe(name, () => withStore(openers, Object.entries(chosen).map(([tier, suites]) => use =>
    describe(tier, () => suites.forEach(suite => suite(use))))))
}

/**
 * Every statement at least once, for what changes how statements are read: without the many values that go through
 * the same ones, and what is done around them.
 */
export const statementTiers = {
  eventLog: tiers.eventLog,
  stream: [streamAppendSuite, streamReadSuite, streamReadAllSuite, streamFollowSuite, streamTablesSuite],
  index: tiers.index,
  kv: tiers.kv,
  dedupe: tiers.dedupe,
  rules: tiers.rules,
  transaction: tiers.transaction,
  aggregates: tiers.aggregates,
  lifecycle: [schemaSuite],
  operation: tiers.operation,
}

/** What differs with the way calls are sent: one by one or together, through a pooler or not. */
export const sendingTiers = {
  eventLog: tiers.eventLog,
  stream: [streamAppendSuite, streamReadSuite, streamTypedSuite, streamTablesSuite],
  index: tiers.index,
  kv: tiers.kv,
  dedupe: tiers.dedupe,
  rules: tiers.rules,
  transaction: tiers.transaction,
  aggregates: tiers.aggregates,
}

/** For databases that can be opened again. */
export function durableContractSuite(name: string, openers: Openers): void {
  describe(name, () => withStore(openers, [durableSuite]))
}

/** Input that nobody should give: refused by name, or kept without a loss. */
export function oddInputContractSuite(name: string, openers: Openers): void {
  describe(name, () => withStore(openers, [oddInputSuite, use => describe('known members', () => knownMembersSuite(use))]))
}
