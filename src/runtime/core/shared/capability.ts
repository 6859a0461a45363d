/** A part of the store that works by itself for as long as the store is open. */
export interface Capability {
  /** Called once, when all parts of the store are there. */
  start?(): void
  /** Called for every subject that was appended to, once that is committed. */
  onAppend?(subject: string): void
  /** Ends what is under way. Parts are stopped in reverse order: each after those that build on it. */
  stop(): void | Promise<void>
}
