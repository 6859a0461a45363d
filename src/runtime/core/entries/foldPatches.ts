import type { JsonObject } from '../shared/json'
import { isObject, member, put } from '../shared/json'
import type { Change, Patch } from '../tables/metadata'

/**
 * Whether two merge patches in sequence are equivalent to a single one. They are not when the second sets an object where
 * the first sets or deletes another kind of value: a single patch would merge the object with the originally stored value.
 */
export function canCompose(first: JsonObject, second: JsonObject): boolean {
  return Object.keys(second).every((name) => {
    const [before, after] = [member(first, name), second[name]]
    if (before === undefined || !isObject(after)) return true
    return isObject(before) && canCompose(before, after)
  })
}

export function compose(first: JsonObject, second: JsonObject): JsonObject {
  const composed = { ...first }
  for (const name of Object.keys(second)) {
    const [before, after] = [member(first, name), second[name]!]
    put(composed, name, isObject(before) && isObject(after) ? compose(before, after) : after)
  }
  return composed
}

/** The same for split patches of one group. */
export function canComposePatches(first: Patch, second: Patch): boolean {
  return canCompose(first.rest, second.rest) && first.changes.every((change, at) => {
    const next = second.changes[at]!
    return change.action !== 'merge' || next.action !== 'merge' || canCompose(change.value, next.value)
  })
}

/** Combines two patches of one group into one of the same group. */
export function composePatches(first: Patch, second: Patch): Patch {
  return {
    changes: first.changes.map((change, at) => composeChange(change, second.changes[at]!)),
    rest: compose(first.rest, second.rest),
    shape: first.shape,
  }
}

function composeChange(first: Change, second: Change): Change {
  if (second.action === 'keep') return first
  return first.action === 'merge' && second.action === 'merge'
    ? { action: 'merge', value: compose(first.value, second.value) }
    : second
}
