import { createIndexOracle } from './oracle/index'
import { createKvOracle } from './oracle/kv'
import { createStreamOracle } from './oracle/stream'

/**
 * A store in memory that does what docs/semantics.md says, with the plainest code there is. It knows nothing of
 * tables but the list of time fields. A refused call throws a `Refusal` with the code of the store's error.
 */
export function createOracle() {
  const tiers = { stream: createStreamOracle(), index: createIndexOracle(), kv: createKvOracle() }
  return {
    ...tiers,
    /** Remembers everything; what it returns puts it back, as a rollback does. */
    mark(): () => void {
      const undo = Object.values(tiers).map(tier => tier.mark())
      return () => {
        for (const put of undo) put()
      }
    },
  }
}

export type Oracle = ReturnType<typeof createOracle>
export { Refusal } from './oracle/json'
