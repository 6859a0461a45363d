import { createStreamAppends } from './append/append'
import { createStreamLife } from './lifecycle/lifecycle'
import { createStreamHistory } from './read/read'
import { refusingInProgress } from './scope'
import type { StreamScope } from './scope'
import type { StreamOperations } from './types'

/** The calls of `store.stream` that are about single streams. */
export function createStreamOperations(given: StreamScope): StreamOperations {
  const scope = refusingInProgress(given)
  return { ...createStreamAppends(scope), ...createStreamHistory(scope), ...createStreamLife(scope) }
}
