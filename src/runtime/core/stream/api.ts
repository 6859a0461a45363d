import { createStreamAppends } from './append/append'
import { createStreamLifecycle } from './lifecycle/lifecycle'
import { createStreamHistory } from './read/read'
import type { StreamScope } from './streamScope'
import type { StreamOperations } from './types'

/** The calls of `store.stream` on single streams. */
export function createStreamOperations(given: StreamScope): StreamOperations {
  const scope = refusingInProgress(given)
  return { ...createStreamAppends(scope), ...createStreamHistory(scope), ...createStreamLifecycle(scope) }
}

/** A scope that refuses calls on a subject from inside the `onProgress` callback of an import into that subject. */
function refusingInProgress(scope: StreamScope): StreamScope {
  const { check } = scope.progress
  return {
    ...scope,
    send(operation, call) {
      check([call.key])
      return scope.send(operation, call)
    },
    inOrder(keys, work) {
      if (Array.isArray(keys)) check(keys)
      return scope.inOrder(keys, work)
    },
  }
}
