import { StoreError } from '../../shared/errors'
import { isInside, runInside } from '../../shared/inside'
import type { AppendManyOptions } from './types'

type OnProgress = NonNullable<AppendManyOptions['onProgress']>

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
  // Imports that wait for what their `onProgress` does.
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
