import { AsyncLocalStorage } from 'node:async_hooks'

/** A call that waits for code of the caller's, such as the work of a transaction. */
interface Place {
  what: object
  open: boolean
  outer: Place | undefined
}

/** Runs parts of one call, until it is closed. */
export interface OpenPlace {
  run<T>(part: () => T): T
  /** What was begun inside may outlive it, and is not inside any longer. */
  close(): void
}

// On the global object: two copies of this module in one bundle know of each other's calls.
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

/** Whether the caller runs inside of `what`: to wait for its end would be to wait for itself. */
export function isInside(what: object): boolean {
  let place = openFrom(places.getStore())
  while (place && place.what !== what) place = openFrom(place.outer)
  return place !== undefined
}

/** Those that have ended are dropped: connections keep the place they were made in. */
function openFrom(place: Place | undefined): Place | undefined {
  while (place && !place.open) place = place.outer
  return place
}
