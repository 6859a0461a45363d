/** Something that is due at a moment. `place` is where it is in the heap; -1: it is not. */
export interface Timed {
  dueAt: number
  place: number
}

/** Items by the moment they are due at: a binary heap. Each knows its place, so that it can be taken out. */
export interface DueHeap<T extends Timed> {
  /** The one that is due first. */
  first(): T | undefined
  /** Puts an item in, or to its place when it is in already. */
  put(item: T): void
  remove(item: T): void
}

export function createDueHeap<T extends Timed>(): DueHeap<T> {
  const items: T[] = []

  function settle(item: T, at: number): void {
    items[at] = item
    item.place = at
  }

  function rise(item: T, at: number): void {
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (items[parent]!.dueAt <= item.dueAt) break
      settle(items[parent]!, at)
      at = parent
    }
    settle(item, at)
  }

  function sink(item: T, at: number): void {
    for (;;) {
      const left = 2 * at + 1
      if (left >= items.length) break
      const child = left + 1 < items.length && items[left + 1]!.dueAt < items[left]!.dueAt ? left + 1 : left
      if (items[child]!.dueAt >= item.dueAt) break
      settle(items[child]!, at)
      at = child
    }
    settle(item, at)
  }

  function restore(item: T, at: number): void {
    rise(item, at)
    sink(item, item.place)
  }

  return {
    first: () => items[0],
    put: item => restore(item, item.place < 0 ? items.length : item.place),
    remove(item) {
      const { place } = item
      if (place < 0) return
      item.place = -1
      const last = items.pop()!
      if (last !== item) restore(last, place)
    },
  }
}
