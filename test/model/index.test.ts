import { beforeAll, describe, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { pgliteInMemory, postgres18, unbatched } from '../setup/backends'
import { freshName } from './harness'
import { compareIndexes, IDS, indexSteps, takeIndexStep } from './indexSteps'
import { createOracle } from './oracle'
import { ROUTES } from './paths'
import { checkSequences, SEED } from './sequences'
import type { IndexStep } from './indexSteps'

/**
 * The index tier against the oracle. Deliberate bugs this file has been seen to catch:
 * - a null below an object that is new stays instead of deleting
 * - an empty patch does not count the version up
 * - a scalar in the place of an object leaves the columns below it (`stats: 5`)
 * - a value that moves into its column leaves the older one behind, in the rest
 * - filters on time columns compare texts as texts
 * - increment goes through a parent that is no object
 * - increment does not look at columns above and below its path
 * - increment of a missing path fails
 * - a counter past 2^53 is cut to a whole number; a fraction is rounded into its column
 * - add keeps the version of the entry it replaces, or what it does not overwrite
 * - metadata without members counts as none
 * - a dotted key replaces the object it leads into
 * - `__proto__` is set instead of defined
 * - undefined members of a patch delete
 * - null in a filter matches a missing field
 * - ties are ordered by the last write; offset is one too low
 * - expectedVersion is not looked at
 * - a transaction that throws commits
 */
console.info(`index sequences: MODEL_SEED=${SEED}`)

describe.each([pgliteInMemory, postgres18, unbatched].map(backend => [backend.name, backend] as const))('the index tier on %s', (_name, backend) => {
  let store: Store
  beforeAll(async () => {
    store = (await backend.open()).store
  })

  it.each(Object.entries(ROUTES))('does what the oracle does for entries of %s', async (_name, route) => {
    const { step, first } = indexSteps(route)
    await checkSequences<IndexStep>({ step, first }, () => {
      const oracle = createOracle()
      const keys: [string, string] = [route.key(freshName()), `nvent:flow:runs:${freshName()}`]
      return {
        store,
        oracle,
        take: (place, step) => takeIndexStep(place, oracle, keys, step),
        compare: () => compareIndexes(store, oracle, keys),
        // keys like nvent:flows are the same in every sequence: leave nothing behind
        clean: () => Promise.all(IDS.map(id => store.index.delete(keys[0], id))),
      }
    })
  })
})
