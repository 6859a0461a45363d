import { createStreamAppends } from './append/append'
import { createStreamLife } from './lifecycle/lifecycle'
import { createStreamHistory } from './read/read'
import type { StreamScope } from './streamScope'
import type { StreamOperations } from './types'

/** The calls of `store.stream` that are about single streams. */
export function createStreamOperations(given: StreamScope): StreamOperations {
  const scope = refusingInProgress(given)
  return { ...createStreamAppends(scope), ...createStreamHistory(scope), ...createStreamLife(scope) }
}

/** A scope whose calls are refused inside the `onProgress` of an import on their subject. */
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
