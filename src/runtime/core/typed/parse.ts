import { StoreError, messageOf } from '../shared/errors'
import type { StandardIssue, StandardResult, StandardSchema } from './types'

/** Either the value or a promise of it: what is there already is not waited for, so that calls keep their order. */
export type Eventual<T> = T | Promise<T>

export function chain<T, R>(value: Eventual<T>, next: (value: T) => Eventual<R>): Eventual<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** One after the other: a value is asked for when the one before it is there. */
export function inOrder<T, R>(items: readonly T[], next: (item: T, at: number) => Eventual<R>): Eventual<R[]> {
  const results: R[] = []
  const from = (start: number): Eventual<R[]> => {
    for (let at = start; at < items.length; at++) {
      const result = next(items[at]!, at)
      if (result instanceof Promise) return result.then(value => (results.push(value), from(at + 1)))
      results.push(result)
    }
    return results
  }
  return from(0)
}

/** Where an event's data is, for errors. */
export interface EventPlace {
  /** How the event is called in the message: `event`, `events.3`, `event 17`. */
  name: string
  type: string
  version: number
  id?: string
}

/**
 * What a schema makes of a value.
 * @throws {StoreError} INVALID_VALUE that names the event, its type and version, and the path that was refused
 */
export function parse(schema: StandardSchema, value: unknown, place: EventPlace): Eventual<unknown> {
  const refuse = (cause: unknown): never => {
    throw refused(place, 'data', `could not be checked, its schema failed: ${messageOf(cause)}`, { cause })
  }
  let result: StandardResult<unknown> | Promise<StandardResult<unknown>>
  try {
    result = schema['~standard'].validate(value)
  }
  catch (cause) {
    return refuse(cause)
  }
  return result instanceof Promise ? result.then(each => valueOf(each, place), refuse) : valueOf(result, place)
}

function valueOf(result: StandardResult<unknown>, place: EventPlace): unknown {
  if (!result.issues) return result.value
  const issues = result.issues.map(issue => ({ path: pathOf(issue), message: issue.message }))
  const [first = { path: 'data', message: 'no reason given' }] = issues
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  throw refused(place, first.path, `was refused by its schema: ${first.message}${more}`, { details: { issues } })
}

/** An error about one event, with what a program needs to find it. */
export function refused(
  { name, type, version, id }: EventPlace, path: string, problem: string, more: { details?: Record<string, unknown>, cause?: unknown } = {},
): StoreError {
  return new StoreError('INVALID_VALUE', `${name}.${path} (${type}, version ${version}) ${problem}`, {
    cause: more.cause,
    details: { argument: `${name}.${path}`, id, type, version, path, ...more.details },
  })
}

function pathOf({ path = [] }: StandardIssue): string {
  return ['data', ...path.map(part => String(typeof part === 'object' ? part.key : part))].join('.')
}
