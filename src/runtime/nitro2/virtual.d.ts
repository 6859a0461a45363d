// Made by the Nitro module at build time: what nvent offers to server code, when the app has nvent.
declare module '#nvent-server-imports' {
  import type { Store } from '../core/types.js'

  export const registerStoreAdapter: ((name: string, adapter: Store) => unknown) | undefined
}
