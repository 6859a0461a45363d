import type { StreamSurface } from '../types/index'
import { refusingInProgress } from './progress'
import type { Scope } from '../batch/scope'
import { createStreamAppends } from './streamAppend'
import { createStreamHistory } from './streamHistory'
import { createStreamLife } from './streamLife'

export function createStreamSurface(given: Scope): Omit<StreamSurface, 'subscribe' | 'readAll' | 'of'> {
  const scope = refusingInProgress(given)
  return { ...createStreamAppends(scope), ...createStreamHistory(scope), ...createStreamLife(scope) }
}
