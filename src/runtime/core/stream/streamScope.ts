import type { TierScope } from '../batch/tierScope'
import type { Route } from '../tables/route'
import type { StreamSpec } from '../tables/types'
import type { EventsTable } from './lifecycle/dismiss'
import type { AppendHook } from './append/appendHook'
import type { Progress } from './append/progress'

export interface StreamScope extends TierScope {
  /** All tables of the log that hold events, by name without the prefix. */
  streamTables: EventsTable[]
  streamRoute(subject: string): Route<StreamSpec>
  /** Detects calls made from inside the `onProgress` callback of an import. */
  progress: Progress
  /** What has to run in the transaction of each append. */
  hook: AppendHook
  /** Called after each append with the subject. */
  appended?: (subject: string) => unknown
}
