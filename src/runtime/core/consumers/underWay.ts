/** Work that goes on beside a loop. */
export interface UnderWay {
  readonly size: number
  /** Runs something; `ended` is called whatever becomes of it. */
  run(work: () => Promise<void>, ended: () => void): void
  /** Begins something that is due, unless one of its kind is under way. Returns in how many milliseconds it is due. */
  when(kind: string, inMs: number, work: () => Promise<void>): number
  /** Waits until nothing is under way. */
  end(): Promise<void>
}

export function createUnderWay(onError: (error: unknown) => void, onEnd: () => void): UnderWay {
  const all = new Set<Promise<void>>()
  const kinds = new Set<string>()

  function run(work: () => Promise<void>, ended: () => void): void {
    const running = work().catch(onError).finally(() => {
      all.delete(running)
      ended()
      onEnd()
    })
    all.add(running)
  }

  return {
    get size() {
      return all.size
    },
    run,
    when(kind, inMs, work) {
      if (kinds.has(kind)) return Infinity
      if (inMs > 0) return inMs
      kinds.add(kind)
      run(work, () => kinds.delete(kind))
      return Infinity
    },
    async end() {
      while (all.size > 0) await Promise.all(all)
    },
  }
}
