import { beforeAll, describe, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types/index'
import { pglite, postgres18 } from '../setup/backends'
import { freshName } from './harness'
import { compareIndexes, IDS, indexSteps, takeIndexStep } from './indexSteps'
import { createOracle } from './oracle'
import { ROUTES } from './paths'
import { checkSequences, SEED } from './sequences'
import type { IndexStep } from './indexSteps'

console.info(`index sequences: MODEL_SEED=${SEED}`)

describe.each([pglite, postgres18])('the index tier on $name', (backend) => {
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
