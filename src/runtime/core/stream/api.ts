import type { StreamSurface } from '../types/index'
import { refusingInProgress } from './append/progress'
import type { Scope } from '../batch/scope'
import { createStreamAppends } from './append/append'
import { createStreamHistory } from './read/read'
import { createStreamLife } from './lifecycle/lifecycle'

export function createStreamSurface(given: Scope): Omit<StreamSurface, 'subscribe' | 'readAll' | 'of'> {
  const scope = refusingInProgress(given)
  return { ...createStreamAppends(scope), ...createStreamHistory(scope), ...createStreamLife(scope) }
}
