import { StoreError } from '../../shared/errors'
import { isInside, runInside } from '../../shared/inside'
import type { AppendManyOptions } from './types'

type OnProgress = NonNullable<AppendManyOptions['onProgress']>

/** The running imports of one store that report their progress. */
export interface Progress {
  /** Whether the call is made from inside the `onProgress` callback of a running import. */
  isInside(): boolean
  /** Runs an import so that calls from inside its `onProgress` callback can be recognized. */
  importing<R>(subject: string, onProgress: OnProgress | undefined, run: (onProgress?: OnProgress) => Promise<R>): Promise<R>
  /** Refuses calls on a subject from inside the `onProgress` callback of its import: call and import would wait for each other. */
  check(subjects: readonly string[]): void
}

export function createProgress(): Progress {
  // Imports with an `onProgress` callback, for which they wait.
  const imports = new Set<{ subject: string }>()
  return {
    isInside: () => [...imports].some(isInside),
    async importing(subject, onProgress, run) {
      if (!onProgress) return run()
      const current = { subject }
      imports.add(current)
      try {
        return await run(progress => runInside(current, async () => onProgress(progress)))
      }
      finally {
        imports.delete(current)
      }
    },
    check(subjects) {
      for (const current of imports) if (subjects.includes(current.subject) && isInside(current)) throw waitsForImport(current)
    },
  }
}

function waitsForImport({ subject }: { subject: string }): StoreError {
  return new StoreError('INVALID_CALL', `a call on ${JSON.stringify(subject)} inside the onProgress of its appendMany() would wait for itself: make it when appendMany() has resolved`)
}
