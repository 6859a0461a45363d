/** Keys that are not known one by one. */
export interface Span {
  /** What each of them begins with. */
  prefix: string
  holds(key: string): boolean
}

/** A call that waits for others on its keys. Most have one key: what a call costs matters there. */
export interface InLine {
  key: string
  /** Its other keys, each of them once. Those of a span are added while it is there. */
  others: string[] | undefined
  span: Span | undefined
  /** On how many of its keys another call comes before it. */
  ahead: number
  /** Whether another call has come after it on its key. */
  followed: boolean
}

export interface Lanes<E extends InLine> {
  /** @returns whether the call is first on all its keys */
  enter(entry: E): boolean
  /** The calls on a key, the first one first. */
  on(key: string): readonly E[]
  /** A call that is first on all its keys goes, and on its only key `calls - 1` more behind it. */
  leave(entry: E, calls: number): void
}

/**
 * The order of calls on each key. A call stands in line on all its keys from the moment it is made, and may start
 * when it is first on all of them: the earliest call waits for nothing, so no two calls wait for each other.
 * @param onFirst told of each call that is first on all its keys because others have left
 */
export function createLanes<E extends InLine>(onFirst: (entry: E) => void): Lanes<E> {
  // A list only where calls wait.
  const lanes = new Map<string, E | E[]>()
  // With the key on which the spans wait that may have keys in common with it.
  const spans = new Map<E, string>()
  let spansMade = 0

  function stand(key: string, entry: E): void {
    const lane = lanes.get(key)
    if (lane === undefined) return void lanes.set(key, entry)
    entry.ahead++
    if (Array.isArray(lane)) {
      lane.at(-1)!.followed = true
      lane.push(entry)
    }
    else {
      lane.followed = true
      lanes.set(key, [lane, entry])
    }
  }

  /** Spans that came before the first call on a key come before it. */
  function letSpansIn(key: string): void {
    if (lanes.has(key)) return
    for (const entry of spans.keys()) {
      if (!entry.span!.holds(key)) continue
      entry.others!.push(key)
      stand(key, entry)
    }
  }

  function enterSpan(entry: E, span: Span): void {
    const keys: string[] = []
    for (const [other, key] of spans) if (overlap(other.span!.prefix, span.prefix)) keys.push(key)
    for (const key of lanes.keys()) if (!key.startsWith(OWN) && span.holds(key)) keys.push(key)
    entry.key = `${OWN}${spansMade++}`
    entry.others = keys
    spans.set(entry, entry.key)
    stand(entry.key, entry)
    keys.forEach(key => stand(key, entry))
  }

  function enterKey(key: string, entry: E): void {
    if (spans.size > 0) letSpansIn(key)
    stand(key, entry)
  }

  function leaveKey(key: string, calls: number): void {
    const lane = lanes.get(key)!
    if (!Array.isArray(lane) || lane.length === calls) return void lanes.delete(key)
    lane.splice(0, calls)
    const next = lane[0]!
    if (--next.ahead === 0) onFirst(next)
  }

  return {
    enter(entry) {
      if (entry.span) enterSpan(entry, entry.span)
      else {
        enterKey(entry.key, entry)
        entry.others?.forEach(key => enterKey(key, entry))
      }
      return entry.ahead === 0
    },

    on(key) {
      const lane = lanes.get(key) ?? []
      return Array.isArray(lane) ? lane : [lane]
    },

    leave(entry, calls) {
      if (entry.span) spans.delete(entry)
      leaveKey(entry.key, calls)
      entry.others?.forEach(key => leaveKey(key, calls))
    },
  }
}

// No key begins with it: names hold no \0.
const OWN = '\0\0'

const overlap = (a: string, b: string) => a.startsWith(b) || b.startsWith(a)
