import type { Logger } from '../shared/types'
import type { StoreEvents } from './types'
import { messageOf } from '../shared/errors'

export type Emit = <E extends keyof StoreEvents>(event: E, payload: StoreEvents[E]) => void

export interface Emitter {
  emit: Emit
  on<E extends keyof StoreEvents>(event: E, listener: (payload: StoreEvents[E]) => unknown): () => void
}

type Listener = (payload: never) => unknown

/** An event emitter. An error of a listener is logged: it must not fail the call that emitted the event. */
export function createEmitter(logger: Logger): Emitter {
  const listeners = new Map<keyof StoreEvents, Set<{ listener: Listener }>>()
  const failed = (event: keyof StoreEvents) => (error: unknown) =>
    logger.error(`a listener of '${event}' failed: ${messageOf(error)}`)

  return {
    emit(event, payload) {
      for (const { listener } of listeners.get(event) ?? []) {
        try {
          Promise.resolve(listener(payload as never)).catch(failed(event))
        }
        catch (error) {
          failed(event)(error)
        }
      }
    },
    on(event, listener) {
      const own = { listener: listener as Listener }
      const all = listeners.get(event) ?? new Set()
      listeners.set(event, all.add(own))
      return () => void all.delete(own)
    },
  }
}
