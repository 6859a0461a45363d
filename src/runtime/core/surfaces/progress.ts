import { AsyncLocalStorage } from 'node:async_hooks'
import { StoreError } from '../errors'
import type { AppendManyOptions } from '../types/index'
import type { Scope } from './scope'

type OnProgress = NonNullable<AppendManyOptions['onProgress']>

/** An import that waits for what its `onProgress` does. */
interface Import {
  subject: string
  open: boolean
}

/** The imports of one store that tell of their progress. */
export interface Progress {
  /** Whether the caller is the `onProgress` of an import that is under way. */
  isInside(): boolean
  /** Runs an import whose `onProgress` is known by its calls. */
  importing<R>(subject: string, onProgress: OnProgress | undefined, run: (onProgress?: OnProgress) => Promise<R>): Promise<R>
  /** Refuses calls on a subject inside the `onProgress` of its import: each would wait for the other for ever. */
  check(subjects: readonly string[]): void
}

export function createProgress(): Progress {
  const imports = new AsyncLocalStorage<Import>()
  return {
    isInside: () => imports.getStore()?.open === true,
    async importing(subject, onProgress, run) {
      if (!onProgress) return run()
      const current: Import = { subject, open: true }
      try {
        return await run(progress => imports.run(current, () => onProgress(progress)))
      }
      finally {
        current.open = false
      }
    },
    check(subjects) {
      const current = imports.getStore()
      if (!current?.open || !subjects.includes(current.subject)) return
      throw new StoreError('INVALID_CALL', `a call on ${JSON.stringify(current.subject)} inside the onProgress of its appendMany() would wait for itself: make it when appendMany() has resolved`)
    },
  }
}

/** The scope of a tier whose calls are refused inside the `onProgress` of an import on their subject. */
export function refusingInProgress(scope: Scope): Scope {
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
