import { nearest } from '../runtime/core/shared/nearest'

/** What the process says by how it ends; docs/cli.md lists them. */
export const EXIT = { done: 0, error: 1, usage: 2, findings: 3 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The command was called in a way it does not know. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** citty's own errors (unknown command, missing argument) have no class that could be imported. */
export const isUsageError = (error: unknown): error is Error =>
  error instanceof Error && (error.name === 'UsageError' || error.name === 'CLIError')

/** `: did you mean status?`, where a known name is near. */
export function hint(before: string, name: string, known: string[]): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `: did you mean ${before}${meant}?`
}

/** @throws {UsageError} when a flag or argument is no whole number of at least `min` */
export function wholeNumber(name: string, value: string, min = 0): number {
  const number = Number(value)
  if (value.trim() === '' || !Number.isSafeInteger(number) || number < min) {
    throw new UsageError(`${name} must be a whole number of at least ${min}, not ${JSON.stringify(value)}`)
  }
  return number
}
