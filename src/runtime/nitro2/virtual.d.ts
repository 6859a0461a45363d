// A virtual module of the Nitro module: nvent's `registerStoreAdapter`, undefined in an app without nvent.
declare module '#nvent-server-imports' {
  import type { Store } from '../core/types.js'

  export const registerStoreAdapter: ((name: string, adapter: Store) => unknown) | undefined
}

// The files of `server/consumers` and `server/projections`.
declare module '#nvent-workers' {
  import type { WorkerFiles } from '../server/workerFiles.js'

  export const workers: WorkerFiles
}
