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

const imports = new AsyncLocalStorage<Import>()

/** Whether the caller is the `onProgress` of an import that is under way. */
export const isInProgress = (): boolean => imports.getStore()?.open === true

/** Runs an import whose `onProgress` is known by its calls. */
export async function importing<R>(subject: string, onProgress: OnProgress | undefined, run: (onProgress?: OnProgress) => Promise<R>): Promise<R> {
  if (!onProgress) return run()
  const current: Import = { subject, open: true }
  try {
    return await run(progress => imports.run(current, () => onProgress(progress)))
  }
  finally {
    current.open = false
  }
}

/** Refuses calls on a subject inside the `onProgress` of its import: each would wait for the other for ever. */
export function refusingInProgress(scope: Scope): Scope {
  const check = (subjects: readonly string[]) => {
    const current = imports.getStore()
    if (!current?.open || !subjects.includes(current.subject)) return
    throw new StoreError('INVALID_CALL', `a call on ${JSON.stringify(current.subject)} inside the onProgress of its appendMany() would wait for itself: make it when appendMany() has resolved`)
  }
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
