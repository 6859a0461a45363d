import type { StreamSurface } from '../types/index'
import type { Scope } from './scope'
import { createStreamAppends } from './streamAppend'
import { createStreamHistory } from './streamHistory'
import { createStreamLife } from './streamLife'

export function createStreamSurface(scope: Scope): Omit<StreamSurface, 'subscribe' | 'readAll' | 'of'> {
  return { ...createStreamAppends(scope), ...createStreamHistory(scope), ...createStreamLife(scope) }
}
