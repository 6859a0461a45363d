import type { TierScope } from '../batch/tierScope'
import type { Route } from '../tables/route'
import type { StreamSpec } from '../tables/types'
import type { Progress } from './append/progress'

export interface StreamScope extends TierScope {
  /** All tables that hold events, without the prefix. */
  streamTables: string[]
  streamRoute(subject: string): Route<StreamSpec>
  /** Which calls an import's `onProgress` makes. */
  progress: Progress
  /** Called for every subject that was appended to. */
  appended?: (subject: string) => unknown
}
