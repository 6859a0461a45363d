import { answers } from '../batch/answers'
import { directScope } from '../batch/tierScope'
import type { Db, StreamTables } from '../db/types'
import { createKvApi } from '../kv/api'
import { getValues } from '../kv/sql'
import type { KvApi } from '../kv/types'
import type { Names } from '../shared/identifier'
import { createStatementCache } from '../sql/statement'
import { createStreamOperations } from '../stream/api'
import type { AppendHook } from '../stream/append/appendHook'
import { createProgress } from '../stream/append/progress'
import type { StreamOperations } from '../stream/types'
import { streamSpecs } from '../tables/builtin'
import { createRouter } from '../tables/route'

/** Calls that only read, on a database whose schema may be behind, for a role that may have no other rights. */
export interface ReadOnlyStore {
  streams: StreamOperations['list']
  keys: KvApi['list']
  /** The JSON texts of keys, as they are stored: numbers keep all their digits. */
  values(keys: string[]): Promise<(string | undefined)[]>
}

/** The store's own calls on a database that was not prepared for a store. */
export function readOnlyStore(db: Db, names: Names): ReadOnlyStore {
  const context = { names, cache: createStatementCache(false), tenant: '' }
  const scope = directScope(context, work => work(db, NO_TABLES))
  const streams = createStreamOperations({
    ...scope, progress: createProgress(), hook: NO_HOOK, streamTables: [], streamRoute: createRouter(streamSpecs, names.prefix),
  })
  return {
    streams: streams.list,
    keys: createKvApi(scope).list,
    async values(keys) {
      if (keys.length === 0) return []
      return (await answers<{ value: string }>(db, getValues(context, keys), keys.length)).map(row => row?.value)
    },
  }
}

/** Nothing is appended here. */
const NO_HOOK: AppendHook = { known: () => ({ fence: '', concerns: () => false, run: async () => {} }), forget: () => {} }
const NO_TABLES: StreamTables = { place: async () => {}, afterTransaction: async () => {}, stop: async () => {} }
