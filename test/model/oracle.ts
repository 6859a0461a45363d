import { createIndexOracle } from './oracle/index'
import { createKvOracle } from './oracle/kv'
import { createStreamOracle } from './oracle/stream'

/**
 * A store in memory that does what docs/semantics.md says, with the plainest code there is. It knows nothing of
 * tables but the list of time fields. A refused call throws a `Refusal` with the code of the store's error.
 */
export function createOracle() {
  return { stream: createStreamOracle(), index: createIndexOracle(), kv: createKvOracle() }
}

export type Oracle = ReturnType<typeof createOracle>
export { Refusal } from './oracle/json'
