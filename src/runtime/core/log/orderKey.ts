import { createHash } from 'node:crypto'
import type { Names } from '../shared/identifier'

/** What the appenders of one store agree on, so that readers know which of them are at work. */
export interface OrderKey {
  /** First half of the advisory lock's key; the second one says behind which id its holder appends. */
  lock: number
  /** The setting that tells a transaction that it holds its lock. */
  setting: string
  /** The channel that wakes readers. Lower case: PGlite folds channel names. */
  channel: string
}

/** Ids go into the second half of a lock's key modulo this: transactions live for far fewer ids. */
export const ID_RANGE = 2 ** 31

/** Advisory locks and channels belong to a database: schema and prefix make them one store's own. */
export function orderKey({ schema, prefix }: Pick<Names, 'schema' | 'prefix'>): OrderKey {
  const digest = createHash('sha256').update(`nvent-store-postgres order ${JSON.stringify([schema, prefix])}`).digest()
  const name = digest.subarray(0, 12).toString('hex')
  return { lock: digest.readUInt32BE(12) % ID_RANGE, setting: `nvent.order_${name}`, channel: `nvent_${name}` }
}
