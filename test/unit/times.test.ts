import { describe, expect, it } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import { OPTION_NAMES, resolveOptions } from '../../src/runtime/core/options/resolve'

const DAYS_30 = 30 * 86_400_000
const LONGEST = 2 ** 31 - 1
const TIMES = ['connectTimeout', 'queryTimeout', 'sweepInterval', 'retentionInterval', 'slowCallMs', 'pollInterval'] as const

describe('times in milliseconds', () => {
  it.each(TIMES)('%s is what a timer can wait for, or refused', (name) => {
    const resolve = (value: unknown) => resolveOptions({ connection: 'pglite://memory', [name]: value })[name]
    expect(resolve(LONGEST)).toBe(LONGEST)
    for (const wrong of [LONGEST + 1, DAYS_30, Number.MAX_SAFE_INTEGER, -1, 1.5, Number.NaN, Infinity, '5', true]) {
      expect(() => resolve(wrong), String(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', details: expect.objectContaining({ option: name }) as unknown }))
    }
  })

  it.each(['connectionTimeoutMillis', 'idleTimeoutMillis', 'query_timeout'])('of pg, in connection: %s', (name) => {
    expect(() => resolveOptions({ connection: { host: 'db.test', [name]: DAYS_30 } })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    expect(resolveOptions({ connection: { host: 'db.test', [name]: 5 } }).connection).toEqual({ host: 'db.test', [name]: 5 })
  })

  it('of single calls are checked the same way', async () => {
    const store = createStore({ connection: 'postgres://127.0.0.1:1/none' })
    const refused = { code: 'INVALID_VALUE', message: expect.stringContaining('24.8 days') as string }
    await expect(store.admin.health({ timeoutMs: DAYS_30 })).rejects.toMatchObject(refused)
    await expect(store.stream.readAll({ settleTimeout: DAYS_30 })[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused)
    await store.close()
  })

  it('are all options that are named like one', () => {
    expect(OPTION_NAMES.filter(name => /(?:Timeout|Interval|Ms)$/.test(name))).toEqual(TIMES)
  })
})
