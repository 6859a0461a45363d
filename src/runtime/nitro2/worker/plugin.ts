import type { H3Event } from 'h3'
import { defineNitroPlugin } from 'nitropack/runtime'
import { afterHooks } from '../../server/afterHooks'
import { closeStore } from './store'

export default defineNitroPlugin(({ hooks }) => {
  afterHooks(hooks, 'beforeResponse', (event: H3Event) => closeStore(event))
  // Error responses are sent without that hook.
  afterHooks(hooks, 'error', (_: unknown, { event }: { event?: H3Event } = {}) => closeStore(event))
})
