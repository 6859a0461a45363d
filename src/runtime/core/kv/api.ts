import { checkArray, checkMembers, checkName, checkNumber, checkOptions, checkText, rejecting } from '../shared/checks'
import type { Operation } from '../batch/operation'
import { foldSums, runningValues } from '../batch/sum'
import type { Row } from '../db/types'
import type { StoreError } from '../shared/errors'
import { invalidValue } from '../shared/errors'
import type { Json } from '../shared/json'
import { encodeJson } from '../shared/json'
import { globMatcher, literalStart } from '../shared/glob'
import { nextCursor, readListing } from '../sql/listing'
import type { StatementContext } from '../sql/template'
import type { ValueIncrement, SetInput } from './sql'
import { clearValues, deleteValues, getValues, incrementValues, listKeys, setValues } from './sql'
import type { KvApi } from './types'
import { KV_ENTRY, KV_LIST_OPTIONS } from './types'
import { answers } from '../batch/answers'
import type { TierScope } from '../batch/tierScope'

const MAX_TTL_SECONDS = 1e11

export function createKvApi(scope: TierScope): KvApi {
  const { context } = scope
  const [get, set, remove, increment] = [getOperation(context), setOperation(context), deleteOperation(context), incrementOperation(context)]
  return {
    get: rejecting((key: string) => scope.send(get, { kind: 'get', key: checkName('key', key), input: key, bytes: key.length })) as KvApi['get'],

    async getMany(keys) {
      const names = checkArray('keys', keys).map((key, at) => checkName(`keys.${at}`, key))
      if (names.length === 0) return []
      const rows = await scope.inOrder(names, session => answers<ValueRow>(session, getValues(context, names), names.length))
      return rows.map(row => row ? JSON.parse(row.value) : null)
    },

    set: rejecting((key, value, ttlSeconds) => {
      const input = setInput(key, value, ttlSeconds)
      return scope.send(set, { kind: 'set', key, input, bytes: key.length + input.json.length })
    }),

    async setMany(entries) {
      const last = new Map(checkArray('entries', entries).map((entry, at) => {
        const { key, value, ttlSeconds } = checkMembers(`entries.${at}`, entry, KV_ENTRY)
        const input = setInput(key, value, ttlSeconds, `entries.${at}.`)
        return [input.key, input]
      }))
      if (last.size === 0) return
      await scope.inOrder([...last.keys()], session => session.query(setValues(context, [...last.values()])))
    },

    async list(options) {
      const listing = readListing(checkOptions('options', options, KV_LIST_OPTIONS))
      const { rows } = await scope.use(session => session.query(listKeys(context, listing)))
      const keys = rows.map(({ key, expires_at: expiresAt }) => ({ key: key as string, ...expiresAt === null ? {} : { expiresAt: Number(expiresAt) } }))
      return { keys, cursor: nextCursor(keys.map(({ key }) => key), listing) }
    },

    delete: rejecting(key => scope.send(remove, { kind: 'delete', key: checkName('key', key), input: key, bytes: key.length })),

    async clear(glob) {
      const statement = clearValues(context, checkText('glob', glob))
      const matching = { prefix: literalStart(glob), holds: globMatcher(glob) }
      const { rows: [row] } = await scope.inOrder(matching, session => session.query(statement))
      return Number(row!.count)
    },

    increment: rejecting((key, by = 1) => {
      const input = { key: checkName('key', key), by: checkNumber('by', by) }
      return scope.send(increment, { kind: 'increment', key, input, bytes: key.length })
    }),
  }
}

interface ValueRow extends Row {
  /** JSON as a string. */
  value: string
}

function setInput(key: unknown, value: unknown, ttlSeconds: unknown, path = ''): SetInput {
  return {
    key: checkName(`${path}key`, key),
    json: value === undefined ? 'null' : encodeJson(value, `${path}value`),
    ttlSeconds: checkTtl(`${path}ttlSeconds`, ttlSeconds),
  }
}

/** Each call gets its own copy of the value, so that changes by one caller do not affect another. */
function getOperation(context: StatementContext): Operation<string, Json | null> {
  return {
    async one(session, _, key) {
      const { rows: [row] } = await session.query<ValueRow>(getValues(context, [key]))
      return row ? JSON.parse(row.value) as Json : null
    },
    async many(session, _, groups) {
      const rows = await answers<ValueRow>(session, getValues(context, groups.map(({ folded }) => folded)), groups.length)
      return groups.map(({ calls }, at) => {
        const row = rows[at]
        return calls.map(() => row ? JSON.parse(row.value) as Json : null)
      })
    },
    fold: key => key,
  }
}

function setOperation(context: StatementContext): Operation<SetInput, void> {
  return {
    async one(session, _, input) {
      await session.query(setValues(context, [input]))
    },
    async many(session, _, groups) {
      await session.query(setValues(context, groups.map(({ folded }) => folded)))
      return groups.map(({ calls }) => calls.map(() => undefined))
    },
    fold: (_, last) => last,
  }
}

function deleteOperation(context: StatementContext): Operation<string, void> {
  return {
    async one(session, _, key) {
      await session.query(deleteValues(context, [key]))
    },
    async many(session, _, groups) {
      await session.query(deleteValues(context, groups.map(({ folded }) => folded)))
      return groups.map(({ calls }) => calls.map(() => undefined))
    },
    fold: key => key,
  }
}

function incrementOperation(context: StatementContext): Operation<ValueIncrement, number> {
  return {
    async one(session, _, input) {
      const { rows: [row] } = await session.query<{ value: number }>(incrementValues(context, [input]))
      if (!row) throw notANumber(input.key)
      return row.value
    },
    async many(session, _, groups) {
      const sums = groups.map(({ folded }) => folded)
      const { rows } = await session.query<{ key: string, value: number }>(incrementValues(context, sums))
      const values = new Map(rows.map(row => [row.key, row.value]))
      return groups.map(({ calls, folded }) => {
        const last = values.get(folded.key)
        return last === undefined ? undefined : runningValues(last, calls)
      })
    },
    fold: foldSums,
  }
}

function notANumber(key: string): StoreError {
  return invalidValue('key', `${JSON.stringify(key)} does not hold a number and can't be incremented; its value was not changed`, { key })
}

function checkTtl(argument: string, ttlSeconds: unknown): number | null {
  if (ttlSeconds === undefined || ttlSeconds === null) return null
  const ttl = checkNumber(argument, ttlSeconds)
  if (ttl < 0 || ttl > MAX_TTL_SECONDS) throw invalidValue(argument, `must lie between 0 and ${MAX_TTL_SECONDS} seconds, not ${ttl}`)
  return ttl
}
