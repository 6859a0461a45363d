import { defineNitroPlugin } from 'nitropack/runtime'
import { closeStore } from './store'

export default defineNitroPlugin(({ hooks }) => {
  hooks.hook('beforeResponse', event => closeStore(event))
  // An error is answered without that hook.
  hooks.hook('error', (_, { event }) => closeStore(event))
})
