import type { Logger, Store } from '../core'
import { messageOf } from '../core/shared/errors'
import { createStoreOn } from '../core/store'
import { failingStore } from './failing'
import type { StoreSettings } from './settings'
import { describe } from './target'

/** The store of this process; each worker thread of a development server has its own. */
export interface Handle {
  store: Store
  source: string
  warnings: string[]
  /** The name of the database, without secrets. */
  target?: string
  /** Why the store is not ready yet, if that is known. */
  waitsFor?: Error
  /** Why the store could not be created: an invalid option, or no configured database. */
  error?: unknown
}

interface Slot {
  handle?: Handle
  /** The app that closes the store. A reload may start the next app before the last one has ended. */
  owner?: object
  fingerprint?: string
}

const KEY = Symbol.for('nvent-store-postgres')
const processWide = globalThis as typeof globalThis & { [KEY]?: Slot }
const slotOf = () => processWide[KEY] ??= {}

/** The store, created by the first call; it connects when it is first used. */
export function currentHandle(read: () => StoreSettings, logger: Logger): Handle {
  return slotOf().handle ??= makeHandle(read, logger)
}

/** Called when an app starts: it takes over the existing store if `fingerprint`, its configuration, is the same. */
export function takeOver(owner: object, fingerprint: string, logger: Logger): void {
  const slot = slotOf()
  if (slot.owner && slot.fingerprint !== fingerprint) {
    slot.handle?.store.close().catch((error: unknown) => logger.error(`closing the store of the previous app failed: ${messageOf(error)}`))
    slot.handle = undefined
  }
  Object.assign(slot, { owner, fingerprint })
}

/** Called when the app of `owner` ends: closes the store after the calls in progress, unless another app took it over. */
export async function leave(owner: object): Promise<void> {
  const slot = slotOf()
  if (slot.owner !== owner) return
  // The handle keeps the closed store, so that late calls are refused with CLOSED; the next app creates a new one.
  slot.fingerprint = undefined
  await slot.handle?.store.close()
}

function makeHandle(read: () => StoreSettings, logger: Logger): Handle {
  try {
    const { options, source, warnings } = read()
    const onWait = (reason: Error) => {
      handle.waitsFor = reason
    }
    const handle: Handle = { store: createStoreOn({ ...options, logger }, { onWait }), source, warnings, target: describe(options.connection!) }
    return handle
  }
  catch (error) {
    return { store: failingStore(error), source: '', warnings: [], error }
  }
}
