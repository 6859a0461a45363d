import { describe } from 'vitest'
import { withStore } from './context'
import type { Openers } from './context'
import { documentedSuite } from './documented'
import { durableSuite } from './durable'
import { indexAddSuite } from './indexAdd'
import { indexIncrementSuite } from './indexIncrement'
import { indexReadSuite } from './indexRead'
import { indexUpdateSuite } from './indexUpdate'
import { kvSuite } from './kv'
import { lifecycleSuite } from './lifecycle'
import { namesSuite } from './names'
import { nventSuite } from './nvent'
import { oddInputSuite } from './oddInput'
import { routingSuite } from './routing'
import { schemaSuite } from './schema'
import { streamAppendSuite } from './streamAppend'
import { streamReadSuite } from './streamRead'
import { streamSubscribeSuite } from './streamSubscribe'
import { streamTablesSuite } from './streamTables'
import { streamTypedSuite } from './streamTyped'
import { transactionSuite } from './transaction'
import { valuesSuite } from './values'

export type { Context, Open, Openers, Opened, Use } from './context'

/** The tiers one by one, for a database that does not do all of it. */
export const tiers = {
  values: [namesSuite, valuesSuite],
  stream: [streamAppendSuite, streamReadSuite, streamSubscribeSuite, streamTablesSuite, streamTypedSuite],
  index: [indexAddSuite, indexUpdateSuite, indexIncrementSuite, indexReadSuite],
  kv: [kvSuite],
  transaction: [transactionSuite],
  lifecycle: [lifecycleSuite, schemaSuite],
  routing: [routingSuite],
  nvent: [nventSuite, documentedSuite],
}

/**
 * What every store has to do, whatever its database (docs/semantics.md).
 * @example
 * contractSuite('my database', { open: options => openMyStore(options) })
 */
export function contractSuite(name: string, openers: Openers): void {
  describe(name, () => withStore(openers, Object.entries(tiers).map(([tier, suites]) => use =>
    describe(tier, () => suites.forEach(suite => suite(use))))))
}

/** For databases that can be opened again. */
export function durableContractSuite(name: string, openers: Openers): void {
  describe(name, () => withStore(openers, [durableSuite]))
}

/** Input that nobody should give: refused by name, or kept without a loss. */
export function oddInputContractSuite(name: string, openers: Openers): void {
  describe(name, () => withStore(openers, [oddInputSuite]))
}
