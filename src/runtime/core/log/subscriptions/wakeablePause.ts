/** A pause that `wake` ends early; a wake before the pause begins is not lost: the pause is skipped. */
export interface WakeablePause {
  wait(ms?: number): Promise<void>
  wake(): void
}

export function createWakeablePause(): WakeablePause {
  let awake = false
  let end: (() => void) | undefined
  return {
    async wait(ms) {
      if (!awake) {
        await new Promise<void>((resolve) => {
          const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
          timer?.unref()
          end = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      awake = false
      end = undefined
    },
    wake() {
      awake = true
      end?.()
    },
  }
}
