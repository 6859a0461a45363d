/** Hands values from one that gives to one that takes: the giver waits until its value was taken. */
export interface Handoff<T> {
  /** Resolves when the taker comes back for the next value, or does not come any more. */
  give(value: T): Promise<void>
  /** Nothing more is given or taken. With an error, the taker gets it. */
  end(error?: unknown): void
  taken(): AsyncGenerator<T>
}

export function createHandoff<T>(): Handoff<T> {
  let offered: { value: T, done: () => void } | undefined
  let ended: { error?: unknown } | undefined
  let onChange = () => {}

  return {
    give(value) {
      if (ended) return Promise.resolve()
      return new Promise((done) => {
        offered = { value, done }
        onChange()
      })
    },
    end(error) {
      ended ??= { error }
      offered?.done()
      onChange()
    },
    async* taken() {
      for (;;) {
        if (offered) {
          const { value, done } = offered
          offered = undefined
          try {
            yield value
          }
          finally {
            done()
          }
        }
        else if (ended) {
          if (ended.error !== undefined) throw ended.error
          return
        }
        else {
          await new Promise<void>((resolve) => {
            onChange = resolve
          })
        }
      }
    },
  }
}
