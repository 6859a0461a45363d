import { AsyncLocalStorage } from 'node:async_hooks'

/** A call of the store that awaits a callback of the caller, such as the work of a transaction. */
interface Place {
  what: object
  open: boolean
  outer: Place | undefined
}

/** Runs callbacks in the context of one call until the call ends. */
export interface OpenPlace {
  run<T>(part: () => T): T
  /** Asynchronous work started inside may outlive the call; from here on it no longer counts as inside. */
  close(): void
}

// On the global object, so that several copies of this module in one bundle share it.
const KEY = Symbol.for('nvent-store-postgres.places')
const places = (globalThis as typeof globalThis & { [KEY]?: AsyncLocalStorage<Place> })[KEY] ??= new AsyncLocalStorage()

export function openPlace(what: object): OpenPlace {
  const place: Place = { what, open: true, outer: openFrom(places.getStore()) }
  return {
    run: part => places.run(place, part),
    close() {
      place.open = false
    },
  }
}

export async function runInside<T>(what: object, work: () => Promise<T>): Promise<T> {
  const place = openPlace(what)
  try {
    return await place.run(work)
  }
  finally {
    place.close()
  }
}

/** Whether the current code runs inside `what`. If so, waiting for `what` to end would be a deadlock. */
export function isInside(what: object): boolean {
  let place = openFrom(places.getStore())
  while (place && place.what !== what) place = openFrom(place.outer)
  return place !== undefined
}

/** Skips calls that have ended: a connection keeps the async context it was created in, also after that call. */
function openFrom(place: Place | undefined): Place | undefined {
  while (place && !place.open) place = place.outer
  return place
}
