/** The members of an object that callers give, as data for its check: a list that is not the type's does not compile. */
export type Members<T> = Readonly<Record<keyof T, true>>

/** Where the store writes what it has to say. `console` and consola fit. */
export interface Logger {
  info(message: string): void
  warn(message: string): void
  error(message: string, error?: unknown): void
}
