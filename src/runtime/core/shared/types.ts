/** The member names of an options type as data for its check. A list that differs from the type does not compile. */
export type Members<T> = Readonly<Record<keyof T, true>>

/** Receives the store's log messages. `console` and consola satisfy this interface. */
export interface Logger {
  info(message: string): void
  warn(message: string): void
  error(message: string, error?: unknown): void
  /** Optional: gets each attempt of a consumer that has failed; without it, `warn` gets the first one of each event. */
  debug?(message: string): void
}

/** A part of the store that runs in the background while the store is open. */
export interface Capability {
  /** Called once, after all parts of the store have been created. */
  start?(): void
  /** Called after each committed append with the subject. */
  onAppend?(subject: string): void
  /** Ends running work. Parts are stopped in reverse order of creation: each after those that depend on it. */
  stop(): void | Promise<void>
}
