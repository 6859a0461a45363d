/** Hands values from one that gives to one that takes: the giver waits until its value was taken. */
export interface EventIterator<T> {
  /** Resolves when the taker comes back for the next value, or does not come any more. */
  give(value: T): Promise<void>
  /** Nothing more is given or taken. With an error, the taker gets it. */
  end(error?: unknown): void
  /** Not a generator: one that waits for a value could not be ended by `return()`. */
  taken(): Required<Pick<AsyncIterableIterator<T, undefined>, 'next' | 'return' | typeof Symbol.asyncIterator>>
}

export function createEventIterator<T>(): EventIterator<T> {
  let offered: { value: T, isTaken: boolean, done: () => void } | undefined
  let ended: { error?: unknown } | undefined
  let onChange = () => {}
  // Calls of `next` that come at once get their values one after the other.
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
    taken: () => ({
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
