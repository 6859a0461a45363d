import { createHash } from 'node:crypto'
import type { Names } from './identifier'

/**
 * Digest from which the keys of advisory locks are made. Advisory locks are database-wide, so the input states both
 * the purpose of the lock and the store it belongs to. Instances of different versions of this package have to arrive
 * at the same keys: never change the input of the hash.
 */
export function digestOf(purpose: string, place: string): Buffer {
  return createHash('sha256').update(`nvent-store-postgres ${purpose} ${place}`).digest()
}

/** Key of an advisory lock, as a decimal string. */
export const lockKey = (purpose: string, place: string): string => digestOf(purpose, place).readBigInt64BE().toString()

/** Key of an advisory lock of one store, which its schema and prefix identify. */
export const storeLockKey = ({ schema, prefix }: Pick<Names, 'schema' | 'prefix'>, purpose: string): string =>
  lockKey(purpose, JSON.stringify([schema, prefix]))
