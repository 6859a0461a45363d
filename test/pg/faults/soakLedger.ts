/** What the soak and its processes tell each other. */
export interface Plan {
  name: string
  url: string
}

/** The data of an event: who has written it, and with which others it belongs together. */
export interface Written {
  process: string
  number: number
  group: number
  writer: number
}

export interface Ledger {
  name: string
  calls: number
  /** Events that were appended by one call. `done`: the call has resolved; else nobody knows. */
  groups: { group: number, count: number, done: boolean, call: string }[]
  counters: Record<string, { done: number, unknown: number }>
  raised: Record<string, { done: number, tried: number }>
  followed: { seen: number, sum: number, backwards: number, last: string, names: Record<string, number> }
  /** Calls that were refused although nothing was wrong with them. */
  refused: string[]
  deadlocks: string[]
  hanging: string[]
}

export type Heard = { ready: true } | { stopped: true } | { ledger: Ledger }

export const SUBJECTS = Array.from({ length: 20 }, (_, at) => `soak:${at}`)
export const COUNTERS = Array.from({ length: 20 }, (_, at) => `count${at}`)

export const newLedger = (name: string): Ledger => ({
  name, calls: 0, groups: [], counters: {}, raised: {}, refused: [], deadlocks: [], hanging: [],
  followed: { seen: 0, sum: 0, backwards: 0, last: '0', names: {} },
})
