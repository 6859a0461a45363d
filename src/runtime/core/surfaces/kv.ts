import { checkName, checkNumber } from '../arguments'
import { invalidValue } from '../errors'
import { encodeJson } from '../json'
import { clearValues, deleteValue, getValue, incrementValue, setValue } from '../statements/kv'
import type { KvSurface } from '../types'
import type { Scope } from './scope'

const MAX_TTL_SECONDS = 1e11

export function createKvSurface(scope: Scope): KvSurface {
  const { context } = scope
  return {
    async get(key) {
      const statement = getValue(context, checkName('key', key))
      const { rows: [row] } = await scope.use(session => session.query(statement))
      return row ? JSON.parse(row.value as string) : null
    },

    async set(key, value, ttlSeconds) {
      checkName('key', key)
      const json = value === undefined ? 'null' : encodeJson(value, 'value')
      const statement = setValue(context, key, json, checkTtl(ttlSeconds))
      await scope.use(session => session.query(statement))
    },

    async delete(key) {
      const statement = deleteValue(context, checkName('key', key))
      await scope.use(session => session.query(statement))
    },

    async clear(glob) {
      const statement = clearValues(context, checkName('glob', glob))
      const { rows: [row] } = await scope.use(session => session.query(statement))
      return Number(row!.count)
    },

    async increment(key, by = 1) {
      const statement = incrementValue(context, checkName('key', key), checkNumber('by', by))
      const { rows: [row] } = await scope.use(session => session.query(statement))
      if (!row) throw invalidValue('key', `${JSON.stringify(key)} does not hold a number, so it can't be incremented; its value was left as it is`, { key })
      return row.value as number
    },
  }
}

function checkTtl(ttlSeconds: unknown): number | null {
  if (ttlSeconds === undefined || ttlSeconds === null) return null
  const ttl = checkNumber('ttlSeconds', ttlSeconds)
  if (ttl < 0 || ttl > MAX_TTL_SECONDS) throw invalidValue('ttlSeconds', `must lie between 0 and ${MAX_TTL_SECONDS} seconds, not ${ttl}`)
  return ttl
}
