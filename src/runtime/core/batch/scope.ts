import type { InOrder, Send, Use } from './operation'
import type { Route } from '../tables/route'
import type { IndexSpec, StreamSpec } from '../tables/types'
import type { StatementContext } from '../sql/template'
import type { Progress } from '../stream/append/progress'

/** What the three tiers share: how to run a call, and where each subject leads. */
export interface Scope {
  context: StatementContext
  /** All tables that hold events, without the prefix. */
  streamTables: string[]
  /** What tells calls that an import's `onProgress` makes. */
  progress: Progress
  streamRoute(subject: string): Route<StreamSpec>
  indexRoute(key: string): Route<IndexSpec>
  /** Runs a call once the store is ready: on the pool, or in the transaction the surfaces belong to. */
  use: Use
  /** Sends an operation alone, or together with others of its kind that come at the same time. */
  send: Send
  /** Runs a call of several statements in the order of its keys. */
  inOrder: InOrder
  /** The same for operations that read pages, which need not wait for each other. */
  sendRead: Send
  /** Told of every event that was appended. */
  appended?: (subject: string) => unknown
}
