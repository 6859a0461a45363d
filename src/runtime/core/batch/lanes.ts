/** A set of keys given by a pattern instead of a list. */
export interface Span {
  /** Prefix of all keys in the set. */
  prefix: string
  holds(key: string): boolean
}

/** A call queued on its keys. Most calls have a single key, which is the case to keep cheap. */
export interface InLine {
  key: string
  /** Further keys without duplicates. For a call with a span, keys are added while it waits. */
  others: string[] | undefined
  span: Span | undefined
  /** Number of keys on which another call is ahead of this one. */
  ahead: number
  /** Whether another call is queued behind it on its key. */
  followed: boolean
}

export interface Lanes<E extends InLine> {
  /**
   * Queues a call on all its keys.
   * @returns whether the call is first on all of them
   */
  enter(entry: E): boolean
  /** The calls on a key, in order. */
  on(key: string): readonly E[]
  /** Removes a call that is first on all its keys, together with the next `calls - 1` calls on its only key. */
  leave(entry: E, calls: number): void
}

/**
 * Queues of calls, one for each key. A call enters the queues of all its keys at once and may start when it is first in
 * all of them. The earliest call never waits, so calls can't deadlock.
 * @param onFirst called for each call that becomes first on all its keys because others have left
 */
export function createLanes<E extends InLine>(onFirst: (entry: E) => void): Lanes<E> {
  // An array only where calls wait.
  const lanes = new Map<string, E | E[]>()
  // Each call with a span, and its own key, on which later overlapping spans wait.
  const spans = new Map<E, string>()
  let spansMade = 0

  function enqueue(key: string, entry: E): void {
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

  /** Before the first call on a key is queued, queues the earlier spans that contain the key. */
  function enqueueSpans(key: string): void {
    if (lanes.has(key)) return
    for (const entry of spans.keys()) {
      if (!entry.span!.holds(key)) continue
      entry.others!.push(key)
      enqueue(key, entry)
    }
  }

  function enterSpan(entry: E, span: Span): void {
    const keys: string[] = []
    for (const [other, key] of spans) if (overlap(other.span!.prefix, span.prefix)) keys.push(key)
    for (const key of lanes.keys()) if (!key.startsWith(OWN) && span.holds(key)) keys.push(key)
    entry.key = `${OWN}${spansMade++}`
    entry.others = keys
    spans.set(entry, entry.key)
    enqueue(entry.key, entry)
    keys.forEach(key => enqueue(key, entry))
  }

  function enterKey(key: string, entry: E): void {
    if (spans.size > 0) enqueueSpans(key)
    enqueue(key, entry)
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

// No other key has this prefix: names can't contain \0.
const OWN = '\0\0'

const overlap = (a: string, b: string) => a.startsWith(b) || b.startsWith(a)
