/** The members of an object that callers give, as data for its check: a list that is not the type's does not compile. */
export type Members<T> = Readonly<Record<keyof T, true>>

/** Where the store writes what it has to say. `console` and consola fit. */
export interface Logger {
  info(message: string): void
  warn(message: string): void
  error(message: string, error?: unknown): void
}

/** A part of the store that works by itself for as long as the store is open. */
export interface Capability {
  /** Called once, when all parts of the store are there. */
  start?(): void
  /** Called for every subject that was appended to, once that is committed. */
  onAppend?(subject: string): void
  /** Ends what is under way. Parts are stopped in reverse order: each after those that build on it. */
  stop(): void | Promise<void>
}
