import { defineNitroPlugin } from 'nitropack/runtime'
import type { NitroApp } from 'nitropack/types'
import { registerStoreAdapter } from '#nvent-server-imports'
import { workers as files } from '#nvent-workers'
import { afterHooks } from '../server/afterHooks'
import { announce, logger } from '../server/announce'
import { closeUnready, endAll } from '../server/shutdown'
import type { Workers } from '../server/workerFiles'
import { isEmpty, startWorkers, stopWorkers } from '../server/workers'
import { loading, messageOf } from '../core/shared/errors'
import { leave, takeOver } from '../server/handle'
import { worksElsewhere } from '../server/settings'
import { appConfig, appHandle, useStore } from './store'
import { appWorkers } from './workers'

export default defineNitroPlugin((app) => {
  loading.isUnderWay = false
  const { nventStorePostgres, nvent } = appConfig()
  let started: Workers = { consumers: new Map(), projections: new Map() }
  takeOver(app, JSON.stringify(nventStorePostgres), logger)
  // Registering does not connect, as nvent may choose another adapter.
  app.hooks.hook('nvent:register-adapters', async () => {
    await registerStoreAdapter?.('postgres', useStore())
  })
  app.hooks.hook('close', endAll)
  // After all other `close` hooks, which may still use the store: nvent's queue writes to it until it is drained.
  afterHooks(app.hooks, 'close', async () => {
    // By the app that has started them: another one may have taken over the store.
    await stopWorkers(started)
    await leave(app)
  })
  const isFunction = nventStorePostgres.serverless === true
  if (isFunction) releaseAfterRequests(app)
  // Pages that are rendered at build time may use the store; the build itself needs no database.
  if (import.meta.prerender) return
  const starts = nventStorePostgres.consumers && !isFunction
  // Every process that appends needs the code of inline projections, also where other processes start them.
  const workers = starts || files.projections.length > 0 ? logged(appWorkers) : started
  // A function is frozen between requests: there a task or a route runs what is in the folders.
  if (isFunction) return
  if (starts) started = workers
  if (isEmpty(started) && worksElsewhere(nventStorePostgres, nvent)) return
  const handle = appHandle()
  const ready = closeUnready(handle.store, announce(handle, logger))
  // Not before the store is ready: what hinders it is told once.
  if (!isEmpty(started) && handle.error === undefined) void ready.then(() => startWorkers(started, logger))
})

/** A serverless function is frozen after its response: an open connection would occupy the database server unused. */
function releaseAfterRequests({ hooks }: NitroApp): void {
  const release = () => useStore().releaseIdle()
  afterHooks(hooks, 'beforeResponse', release)
  // Error responses are sent without that hook.
  afterHooks(hooks, 'error', release)
}

/** The development server shows why an app does not start, and logs nothing. */
function logged<T>(work: () => T): T {
  try {
    return work()
  }
  catch (error) {
    logger.error(messageOf(error))
    throw error
  }
}
