import { createBackoff } from '../shared/backoff'
import type { StoreError } from '../shared/errors'
import type { Emit } from './storeEvents'
import type { Metrics } from './metrics'
import { unref } from '../shared/timer'

const FIRST_LOOK_MS = 50
const MAX_LOOK_MS = 5_000

interface ConnectionMonitor {
  /** A connection broke, or a call could not reach the database. */
  lost(error: StoreError): void
  stop(): void
}

/** Emits `connection:lost` once, then polls the database until it answers and emits `connection:restored`. */
export function monitorConnection(options: { emit: Emit, metrics: Metrics, ask: () => Promise<unknown> }): ConnectionMonitor {
  const { emit, metrics: { counts: { connection } } } = options
  const backoff = createBackoff({ first: FIRST_LOOK_MS, max: MAX_LOOK_MS })
  let lostAt: number | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function look(): void {
    if (stopped) return
    timer = setTimeout(() => {
      options.ask().then(restored, look)
    }, backoff.next())
    unref(timer)
  }

  function restored(): void {
    const downMs = Math.round(performance.now() - lostAt!)
    lostAt = undefined
    backoff.reset()
    connection.restored++
    emit('connection:restored', { downMs })
  }

  return {
    lost(error) {
      if (stopped || lostAt !== undefined) return
      lostAt = performance.now()
      connection.lost++
      emit('connection:lost', { error })
      look()
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
