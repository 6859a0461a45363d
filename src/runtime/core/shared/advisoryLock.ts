import { createHash } from 'node:crypto'
import type { Names } from './identifier'

/**
 * What advisory locks are named by: they belong to a whole database, so the name holds what is locked and where.
 * Instances of different builds meet at the same locks: what goes in here must never change.
 */
export function digestOf(purpose: string, place: string): Buffer {
  return createHash('sha256').update(`nvent-store-postgres ${purpose} ${place}`).digest()
}

/** Key of an advisory lock, as a decimal string. */
export const lockKey = (purpose: string, place: string): string => digestOf(purpose, place).readBigInt64BE().toString()

/** The same for a purpose of one store: its schema and prefix. */
export const storeLockKey = ({ schema, prefix }: Pick<Names, 'schema' | 'prefix'>, purpose: string): string =>
  lockKey(purpose, JSON.stringify([schema, prefix]))
