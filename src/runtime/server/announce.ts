import { consola } from 'consola'
import { setTimeout as sleep } from 'node:timers/promises'
import { isStoreError, messageOf } from '../core/shared/errors'
import { unref } from '../core/shared/timer'
import type { Logger } from '../core/shared/types'
import type { StoreInfo } from '../core/schema/types'
import type { Handle } from './handle'

const SLOW_MS = 1_500
const LOOK_AGAIN_MS = 1_000

/**
 * Starts the store and says in one line what it is connected to, or why it is not; and when it has recovered.
 * Never rejects, and never holds a secret: messages of the driver only, not its error objects.
 */
export async function announce(handle: Handle, logger: Logger): Promise<void> {
  const { store, source, warnings, error } = handle
  if (error !== undefined) return logger.error(messageOf(error))
  for (const warning of warnings) logger.warn(warning)
  const stopLooking = sayWhySlow(handle, logger)
  for (let failed = false; ; failed = true) {
    try {
      return logger.info(`${failed ? 'recovered: ' : ''}${sentence(await store.ready().finally(stopLooking), source)}`)
    }
    catch (reason) {
      if (isStoreError(reason) && reason.code === 'CLOSED') return
      if (!failed) logger.error(`not started (connection from ${source}): ${messageOf(reason)}. Trying goes on in the background`)
    }
    await sleep(LOOK_AGAIN_MS, undefined, { ref: false })
  }
}

/** Trying goes on for a while before it fails, but not without a word, nor without the reason once that is known. */
function sayWhySlow(handle: Handle, logger: Logger): () => void {
  const place = `still connecting to ${handle.target ?? 'the database'} (connection from ${handle.source})`
  let said = false
  const timer = setInterval(() => {
    const { waitsFor } = handle
    if (waitsFor) clearInterval(timer)
    if (waitsFor || !said) logger.warn(`not ready yet: ${waitsFor ? `${messageOf(waitsFor)}; ${place}` : `${place}, or bringing its schema up to date`}. Calls wait for it`)
    said = true
  }, SLOW_MS)
  unref(timer)
  return () => clearInterval(timer)
}

function sentence(info: StoreInfo, source: string): string {
  const schema = info.applied > 0
    ? `migrated to version ${info.schemaVersion}`
    : `at version ${info.schemaVersion}`
  const adopted = info.adoptedFrom === undefined ? '' : `, adopted the tables of @nvent-addon/adapter-store-postgres in schema ${info.adoptedFrom}`
  return `${info.driver} database ${info.database} from ${source}, schema ${info.schema}, prefix ${info.prefix}, ${schema}${adopted}`
}

export const logger = consola.withTag('nvent-store-postgres')
