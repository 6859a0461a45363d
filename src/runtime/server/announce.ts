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
 * Starts the store and logs in one line what it is connected to, or why the start has failed, and later that it has
 * recovered. Never rejects. Logs messages only, as error objects of the driver may contain secrets.
 */
export async function announce(handle: Handle, logger: Logger): Promise<void> {
  const { store, source, warnings, error } = handle
  if (error !== undefined) return logger.error(messageOf(error))
  for (const warning of warnings) logger.warn(warning)
  const stopWatching = reportSlowStart(handle, logger)
  for (let failed = false; ; failed = true) {
    try {
      return logger.info(`${failed ? 'recovered: ' : ''}${sentence(await store.ready().finally(stopWatching), source)}`)
    }
    catch (reason) {
      if (isStoreError(reason) && reason.code === 'CLOSED') return
      if (!failed) logger.error(`not started (connection from ${source}): ${messageOf(reason)}. Retrying in the background`)
    }
    await sleep(LOOK_AGAIN_MS, undefined, { ref: false })
  }
}

/** Logs that the start takes long, and once more when the reason becomes known. */
function reportSlowStart(handle: Handle, logger: Logger): () => void {
  const place = `still connecting to ${handle.target ?? 'the database'} (connection from ${handle.source})`
  let isReported = false
  const timer = setInterval(() => {
    const { waitsFor } = handle
    if (waitsFor) clearInterval(timer)
    if (waitsFor || !isReported) logger.warn(`not ready yet: ${waitsFor ? `${messageOf(waitsFor)}; ${place}` : `${place}, or bringing its schema up to date`}. Calls wait for it`)
    isReported = true
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
