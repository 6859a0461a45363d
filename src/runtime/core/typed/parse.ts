import { StoreError, messageOf } from '../shared/errors'
import type { StandardIssue, StandardResult, StandardSchema } from './types'

/** A value or a promise of it. A value that is available is used synchronously, so that calls keep their order. */
export type Eventual<T> = T | Promise<T>

export function chain<T, R>(value: Eventual<T>, next: (value: T) => Eventual<R>): Eventual<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Maps sequentially: `next` is called for an item when the result of the item before it is available. */
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

/** Which event an error is about. */
export interface EventPlace {
  /** The name of the event in the message: `event`, `events.3`, `event 17`. */
  name: string
  type: string
  version: number
  id?: string
}

/**
 * Parses a value with a schema.
 * @throws {StoreError} INVALID_VALUE with the event, its type and version, and the path that the schema refused
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

/** An error about one event; `details` identify the event. */
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
