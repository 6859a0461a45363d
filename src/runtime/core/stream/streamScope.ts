import type { TierScope } from '../batch/tierScope'
import type { Route } from '../tables/route'
import type { StreamSpec } from '../tables/types'
import type { Progress } from './append/progress'

export interface StreamScope extends TierScope {
  /** Names of all tables that hold events, without the prefix. */
  streamTables: string[]
  streamRoute(subject: string): Route<StreamSpec>
  /** Detects calls made from inside the `onProgress` callback of an import. */
  progress: Progress
  /** Called after each append with the subject. */
  appended?: (subject: string) => unknown
}
