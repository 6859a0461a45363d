import { invalidValue } from './errors'
import { isPlainObject } from './given'

/** Number of parameters of each call that takes no options. */
const PARAMETERS: Record<string, number> = {
  'stream.appendAll': 1,
  'stream.current': 1,
  'stream.delete': 1,
  'stream.archive': 1,
  'stream.unarchive': 1,
  'stream.truncateBefore': 2,
  'stream.dismiss': 2,
  'stream.restore': 1,
  'stream.dismissed': 1,
  'index.add': 4,
  'index.get': 2,
  'index.getMany': 2,
  'index.count': 2,
  'index.updateWithRetry': 4,
  'index.increment': 4,
  'index.delete': 2,
  'index.remove': 2,
  'kv.get': 1,
  'kv.set': 3,
  'kv.getMany': 1,
  'kv.setMany': 1,
  'kv.delete': 1,
  'kv.clear': 1,
  'kv.increment': 2,
  'dedupe.claim': 2,
  'dedupe.seen': 1,
  'dedupe.mark': 2,
  'dedupe.release': 1,
  'rules.upsert': 1,
  'rules.list': 0,
  'rules.get': 1,
  'rules.remove': 1,
  'rules.evaluate': 1,
}

/**
 * Refuses options for a call that takes none: the caller expects them to have an effect. Other extra arguments are
 * ignored, so that `keys.map(store.kv.get)` works.
 */
export function refuseOptions(operation: string): (args: unknown[]) => Promise<never> | undefined {
  const parameters = PARAMETERS[operation] ?? Infinity
  return (args) => {
    if (args.length <= parameters) return undefined
    const isGiven = args.slice(parameters).some(each => typeof each === 'object' && each !== null && isPlainObject(each))
    return isGiven ? Promise.reject(invalidValue('options', `can't be given: ${operation}() takes none`)) : undefined
  }
}
