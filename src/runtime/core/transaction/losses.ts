import { isStoreError } from '../shared/errors'
import type { StoreError } from '../shared/errors'

/** The failures of connections of one store: another store, or another client of the caller, has its own. */
export interface Losses {
  /** @throws the error of a statement of the store that it is given */
  note: (error: unknown) => never
  /** Whether an error is that of a connection of the store which failed since a moment, by `performance.now()`. */
  isLoss: (error: StoreError, since: number) => boolean
}

export function createLosses(): Losses {
  // By the error of the driver: that of the store is made again with the name of the call.
  const times = new WeakMap<object, number>()
  const keyOf = (error: StoreError): object => error.cause instanceof Error ? error.cause : error
  return {
    note(error) {
      if (isStoreError(error) && error.code === 'CONNECTION') times.set(keyOf(error), performance.now())
      throw error
    },
    isLoss: (error, since) => error.code === 'CONNECTION' && (times.get(keyOf(error)) ?? -Infinity) >= since,
  }
}
