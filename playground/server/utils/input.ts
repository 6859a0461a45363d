import type { H3Event } from 'h3'

/** Checks for what a browser sends. Each returns the value or throws 400 with a message that names the field. */
export function textOf(body: unknown, field: string, maxLength: number): string {
  const value = memberOf(body, field)
  const text = typeof value === 'string' ? value.trim() : ''
  if (text === '' || text.length > maxLength) throw problem(400, `"${field}" must be a string of 1 to ${maxLength} characters.`)
  return text
}

export function integerOf(body: unknown, field: string, min: number, max: number): number {
  const value = memberOf(body, field)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw problem(400, `"${field}" must be an integer from ${min} to ${max}.`)
  }
  return value
}

export function oneOf<T extends string>(body: unknown, field: string, allowed: readonly T[]): T {
  const value = memberOf(body, field)
  const match = allowed.find(candidate => candidate === value)
  if (match === undefined) throw problem(400, `"${field}" must be one of ${allowed.join(', ')}.`)
  return match
}

export function memberOf(body: unknown, field: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[field] : undefined
}

export const productOf = (event: H3Event): string => oneOf(event.context.params, 'product', products.map(({ id }) => id))

export function orderIdOf(event: H3Event): string {
  const id = getRouterParam(event, 'id') ?? ''
  if (!/^\d{1,15}$/.test(id)) throw problem(400, 'An order number is made of digits.')
  return id
}
