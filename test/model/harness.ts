import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual, inspect } from 'node:util'
import { Refusal } from './oracle'

export type Outcome = { value: unknown } | { error: string }

/** A text no earlier sequence has used. */
export function freshName(): string {
  return randomBytes(8).toString('hex')
}

/** What a call of the store comes to, as a caller sees it. */
export async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await call() }
  }
  catch (error) {
    const { code, message } = error as { code?: unknown, message: string }
    if (typeof code !== 'string') throw error
    return { error: code === 'NOT_FOUND' && !message.includes('Entry not found') ? `${code}: ${message}` : code }
  }
}

/** What the oracle says that call comes to. */
export function expectedOf(call: () => unknown): Outcome {
  try {
    return { value: call() }
  }
  catch (error) {
    if (error instanceof Refusal) return { error: error.code }
    throw error
  }
}

export function expectSame(step: unknown, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return
  const show = (value: unknown) => inspect(value, { depth: 12, maxStringLength: 200, maxArrayLength: 50 })
  throw new Error(`after ${show(step)}\nthe store gives   ${show(actual)}\nthe oracle gives  ${show(expected)}`)
}

/** JSON text with the members of every object in order: equal for equal values. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => a < b ? -1 : 1))
  })
}

/** The store must never write to what a caller hands in. */
export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) freeze(member)
  }
  return value
}
