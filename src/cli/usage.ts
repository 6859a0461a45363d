import { nearest } from '../runtime/core/shared/nearest'

/** Exit codes of the process; docs/cli.md lists them. */
export const EXIT = { done: 0, error: 1, usage: 2, findings: 3 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The command line is invalid. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** By name, as the class of citty's own errors (unknown command, missing argument) is not exported. */
export const isUsageError = (error: unknown): error is Error =>
  error instanceof Error && (error.name === 'UsageError' || error.name === 'CLIError')

/** `: did you mean status?` when a known name is similar; else an empty string. */
export function hint(before: string, name: string, known: string[]): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `: did you mean ${before}${meant}?`
}

/** @throws {UsageError} when the value of a flag is not an integer of at least `min` */
export function integerFlag(name: string, value: string, min = 0): number {
  const number = Number(value)
  if (value.trim() === '' || !Number.isSafeInteger(number) || number < min) {
    throw new UsageError(`${name} must be an integer of at least ${min}, not ${JSON.stringify(value)}`)
  }
  return number
}
