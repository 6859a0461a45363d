import { defineNitroPlugin } from 'nitropack/runtime'
import type { NitroApp } from 'nitropack/types'
import { registerStoreAdapter } from '#nvent-server-imports'
import { afterHooks } from '../server/afterHooks'
import { announce, logger } from '../server/announce'
import { closeUnready, endAll } from '../server/ending'
import { leave, takeOver } from '../server/handle'
import { worksElsewhere } from '../server/settings'
import { appConfig, appHandle, useStore } from './store'

export default defineNitroPlugin((app) => {
  const { nventStorePostgres, nvent } = appConfig()
  takeOver(app, JSON.stringify(nventStorePostgres), logger)
  // Registering connects nothing: nvent may choose another adapter.
  app.hooks.hook('nvent:register-adapters', async () => {
    await registerStoreAdapter?.('postgres', useStore())
  })
  app.hooks.hook('close', endAll)
  // Others finish their work in hooks of their own: nvent's queue writes to the store until it has drained.
  afterHooks(app.hooks, 'close', () => leave(app))
  if (nventStorePostgres.serverless === true) return betweenRequests(app)
  // Pages that are rendered at build time may use the store; the build itself needs no database.
  if (!import.meta.prerender && !worksElsewhere(nventStorePostgres, nvent)) {
    const handle = appHandle()
    void closeUnready(handle.store, announce(handle, logger))
  }
})

/** A function stands still once it has answered: whatever is open then stays open on the server, for nobody. */
function betweenRequests({ hooks }: NitroApp): void {
  const rest = () => useStore().releaseIdle()
  afterHooks(hooks, 'beforeResponse', rest)
  // An error is answered without that hook.
  afterHooks(hooks, 'error', rest)
}
