// In an app of your own: `import { isStoreError, tableOf, type Store } from 'nvent-store-postgres/core'`.
export { isStoreError, tableOf } from '../../../src/runtime/core'
export type { IndexEntry, IndexSurface, KvSurface, Store, Surfaces } from '../../../src/runtime/core'
