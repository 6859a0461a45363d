import { invalidOption } from './errors'
import { nearest } from './nearest'
import { MAX_MS } from './timer'

// The longest name made from a prefix is `idx_{prefix}_scheduler_jobs_next_run`; PostgreSQL cuts names at 63 bytes.
const MAX_PREFIX_BYTES = 32
const MAX_SCHEMA_BYTES = 63

/** Any name that PostgreSQL accepts as a quoted identifier: mixed case, dashes, spaces and quotes are allowed. */
export function identifier(option: string, value: unknown, maxBytes = MAX_SCHEMA_BYTES): string {
  const name = nonEmpty(option, value)
  if (name.includes('\0') || !name.isWellFormed()) {
    throw invalidOption(option, 'holds a character PostgreSQL names can\'t hold (NUL or half a surrogate pair)')
  }
  const bytes = Buffer.byteLength(name)
  if (bytes > maxBytes) {
    throw invalidOption(option, `is ${bytes} bytes long, the longest that fits PostgreSQL's 63-byte names is ${maxBytes}`)
  }
  return name
}

export const tablePrefix = (value: unknown): string => identifier('prefix', value, MAX_PREFIX_BYTES)

export function nonEmpty(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalidOption(option, 'must be a non-empty string')
  return value
}

export function flag(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidOption(option, `must be true or false, not ${JSON.stringify(value)}`)
  return value
}

export function integer(option: string, value: unknown, min: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < min) {
    throw invalidOption(option, `must be an integer of at least ${min}, not ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`)
  }
  return value as number
}

/** A duration in milliseconds that a timer supports. */
export function milliseconds(option: string, value: unknown, min = 0): number {
  const ms = integer(option, value, min)
  if (ms > MAX_MS) throw invalidOption(option, `must be at most ${MAX_MS} milliseconds (24.8 days), not ${ms}`)
  return ms
}

/** Refuses unknown options and suggests the most similar known one. `path` is the prefix of their names in errors. */
export function refuseUnknown(options: object, known: readonly string[], path = ''): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue
    const meant = nearest(name, known)
    throw invalidOption(path + name, meant === undefined ? `is unknown; known are ${known.join(', ')}` : `is unknown; did you mean \`${meant}\`?`)
  }
}
