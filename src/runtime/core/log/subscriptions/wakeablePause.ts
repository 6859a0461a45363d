/** A pause that can be cut short; a wake that comes before it begins is not lost. */
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
