import type { Durability } from '../db/types'
import { invalidOption } from '../shared/errors'
import type { StoreOptions } from './types'

type Check<Value> = (name: string, value: unknown, options: StoreOptions) => Value

/** Makes a check accept undefined. */
export function optional<Value>(check: Check<Value>): Check<Value | undefined> {
  return (name, value, options) => value === undefined ? undefined : check(name, value, options)
}

export function methods<T extends object>(option: string, value: T, names: (keyof T & string)[]): T {
  const missing = names.find(name => typeof value?.[name] !== 'function')
  if (missing) throw invalidOption(option, `must have a method \`${missing}\``)
  return value
}

export function durability(option: string, value: unknown, { pool }: StoreOptions): Durability {
  if (value !== 'full' && value !== 'relaxed') throw invalidOption(option, `must be 'full' or 'relaxed', not ${JSON.stringify(value)}`)
  if (value === 'relaxed' && pool) {
    throw invalidOption(option, 'can\'t be changed on your own pool: create that with `options: \'-c synchronous_commit=off\'`')
  }
  return value
}
