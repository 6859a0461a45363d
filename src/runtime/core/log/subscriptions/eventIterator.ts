/** Hands values from a producer to a consumer: the producer waits until its value was consumed. */
export interface EventIterator<T> {
  /** Resolves when the consumer asks for the next value, or has stopped. */
  give(value: T): Promise<void>
  /** Ends the iteration. With an error, the consumer's `next()` rejects with it. */
  end(error?: unknown): void
  /** The consumer's side. Not a generator: `return()` could not end a generator that waits for a value. */
  consumer(): Required<Pick<AsyncIterableIterator<T, undefined>, 'next' | 'return' | typeof Symbol.asyncIterator>>
}

export function createEventIterator<T>(): EventIterator<T> {
  let offered: { value: T, isTaken: boolean, done: () => void } | undefined
  let ended: { error?: unknown } | undefined
  let onChange = () => {}
  // Concurrent calls of `next` get their values one after the other.
  let last: Promise<unknown> = Promise.resolve()

  function release(): void {
    offered?.done()
    offered = undefined
  }

  function end(error?: unknown): void {
    ended ??= { error }
    release()
    onChange()
  }

  async function take(): Promise<IteratorResult<T, undefined>> {
    if (offered?.isTaken) release()
    while (!offered && !ended) {
      await new Promise<void>((resolve) => {
        onChange = resolve
      })
    }
    if (offered) {
      offered.isTaken = true
      return { value: offered.value, done: false }
    }
    const { error } = ended!
    ended = {}
    if (error !== undefined) throw error
    return { value: undefined, done: true }
  }

  return {
    give(value) {
      if (ended) return Promise.resolve()
      return new Promise((done) => {
        offered = { value, isTaken: false, done }
        onChange()
      })
    },
    end,
    consumer: () => ({
      next() {
        const next = last.then(take, take)
        last = next
        return next
      },
      async return() {
        end()
        return { value: undefined, done: true }
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }),
  }
}
